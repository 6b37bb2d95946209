"""One training loop for every model, with its batches, losses, adapters and crews."""

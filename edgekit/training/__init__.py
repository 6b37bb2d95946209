"""One loop for all that learns; batches, losses, adapters and crews."""

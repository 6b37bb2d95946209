"""A Hugging Face folder: described, read, saved, cut. Knows no step, output or task."""

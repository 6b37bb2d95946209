"""`distill` of language models."""

"""`prune` of language models."""

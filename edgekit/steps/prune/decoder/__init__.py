"""`prune` of decoders."""

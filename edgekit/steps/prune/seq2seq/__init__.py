"""`prune` of encoder-decoders."""

"""`distill` of decoders."""

"""`distill` of encoder-decoders."""

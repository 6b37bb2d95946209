"""`finetune` of encoder-decoders."""

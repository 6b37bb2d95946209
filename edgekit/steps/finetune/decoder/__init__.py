"""`finetune` of decoders."""

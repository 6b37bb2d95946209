"""`finetune` of language models."""

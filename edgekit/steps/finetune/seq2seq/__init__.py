"""`finetune` of models that write summaries."""

"""`prune` of models that write summaries."""

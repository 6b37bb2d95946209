"""`distill` of models that write summaries."""

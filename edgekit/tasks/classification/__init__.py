"""Labels of texts with their scores."""

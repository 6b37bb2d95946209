"""Labels of texts, with scores."""

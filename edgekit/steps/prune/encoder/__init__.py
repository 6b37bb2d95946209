"""`prune` of classifiers."""

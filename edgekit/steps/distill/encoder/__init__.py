"""`distill` of classifiers."""

"""`finetune` of classifiers."""

"""What a build asks of a classifier: answers beside its teacher, and a verdict."""

"""What a build asks of a classifier: answers compared with its teacher's, and a verdict."""

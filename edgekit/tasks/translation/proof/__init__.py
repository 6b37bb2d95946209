"""What a build asks of translation."""

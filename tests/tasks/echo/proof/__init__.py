"""What a build asks of the made-up task."""

"""What a step or an output is told before it runs and while it does."""

"""What a step or an output gets before and while it runs. Knows no step."""

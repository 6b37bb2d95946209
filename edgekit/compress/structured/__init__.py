"""Structured pruning of encoders: which heads, neurons and layers go, and how the rest makes up."""

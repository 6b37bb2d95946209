"""`prune`: heads, neurons and layers taken out."""

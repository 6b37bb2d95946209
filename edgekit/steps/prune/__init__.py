"""`prune`: removes heads, neurons and layers."""

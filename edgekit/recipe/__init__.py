"""Reads and checks recipes and the rows that they name. Knows no model."""

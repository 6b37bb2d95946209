"""Writes a recipe for somebody's checkpoint and rows, from a shipped one. Compresses nothing."""

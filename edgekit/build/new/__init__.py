"""Writes a recipe for a user's checkpoint and rows, from a shipped one. Compresses nothing."""

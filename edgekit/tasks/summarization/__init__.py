"""Summaries of texts of any length: read in parts, put together, counted."""

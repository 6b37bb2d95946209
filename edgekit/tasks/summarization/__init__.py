"""Summaries of texts of any length: read in parts and put together."""

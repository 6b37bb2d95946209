"""Conversations, labels, fields and summaries from a language model."""

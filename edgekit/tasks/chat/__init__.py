"""Conversations, labels and fields from a language model."""

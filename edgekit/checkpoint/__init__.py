"""Describes, reads, saves and cuts Hugging Face folders. Knows no step, output or task."""

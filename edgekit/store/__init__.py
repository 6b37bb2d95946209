"""Finished work that survives a power cut. Knows nothing of what it keeps."""

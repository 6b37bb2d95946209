"""Keeps finished work so that it survives a power cut. Knows nothing of what it keeps."""

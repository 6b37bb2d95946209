"""Turns a checkpoint into the model files of an artifact, with a folder for each format."""

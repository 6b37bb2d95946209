"""What turns a checkpoint into the model files of an artifact, a folder for each format."""

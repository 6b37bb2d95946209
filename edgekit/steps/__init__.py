"""What a recipe does to a checkpoint: a folder for each verb, and in it one for each family."""

"""What a recipe does to a checkpoint: a folder for each verb, in it one for each family."""

"""From a recipe to artifacts: checked, estimated, run, assembled, reported."""

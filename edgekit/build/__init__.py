"""From a recipe to artifacts: checked, estimated, run, put together, reported."""

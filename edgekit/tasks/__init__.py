"""A task's inputs, answers and metrics; numpy only, for building and for answering alike."""

TASKS = {"classification": "edgekit.tasks.classification"}

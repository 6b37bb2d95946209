"""A task's inputs, answers and metrics; numpy only, for building and for answering alike."""

TASKS = {
    "chat": "edgekit.tasks.chat",
    "classification": "edgekit.tasks.classification",
    "summarization": "edgekit.tasks.summarization",
}

"""What each task asks of a build: its checkpoint, rows and proof. Importing this imports no torch.

A task is a module with

    PACKAGES                             whose versions decide its numbers, by the extra of each
    TRIAL_ROWS                           rows of each set that a run takes which only tries
    labels(bound, description)           of the rows; RecipeError for a model of another task
    tokens(bound, dataset, max_tokens)   how many tokens the rows have, a job.Tokens
    measured_shape(tokens, rows)         batch and length by which the machine's speed is measured
    teacher_cost(planned)                of what `teacher` does
    judging_cost(planned)                of what `judge` does
    teacher(plan, job)                   what the teacher says of the rows that judge
    judge(plan, job, exported, teacher)  what the artifact says, and how good that is, a Judged
    latency(artifact, rows)              how long an answer takes here

To add one, write its file in this folder and its line in JUDGES.
"""

from __future__ import annotations

import importlib
from types import ModuleType

JUDGES = {
    "chat": "edgekit.judging.chat",
    "classification": "edgekit.judging.classification",
    "summarization": "edgekit.judging.summarization",
}


def task_module(name: str) -> ModuleType:
    return importlib.import_module(JUDGES[name])

"""The steps of a recipe: what each is called and where it lives. Importing this imports no torch.

A step is a module with

    SETTINGS                             a frozen pydantic model: what the recipe may say
    VERSION                              counted up when the same settings give another result
    files(settings)                      paths in the settings, relative to the recipe
    check(settings, planned)             raises RecipeError before any weight loads
    after(settings, planned)             what the next step will find
    cost(settings, planned)              estimated seconds and peak memory
    run(settings, job)                   does the work; returns what it changed, as JSON

To add one, write its file in this folder and its line in STEPS.
"""

from __future__ import annotations

import importlib
from types import ModuleType

STEPS = {
    "distill": "edgekit.compress.distill",
    "finetune": "edgekit.compress.finetune",
    "prune": "edgekit.compress.prune",
    "trim_vocab": "edgekit.compress.trim_vocab",
}

# Steps that make a model smaller: the checkpoint that enters the first of them is the teacher.
SHRINKING = frozenset({"trim_vocab", "distill", "prune"})
# Steps that read `data.unlabeled`; a recipe that names texts which no step reads is refused.
READS_UNLABELED = frozenset({"distill", "prune", "trim_vocab"})
# Steps that know the models of each task.
OF_TASK = {
    "chat": frozenset[str](),
    "classification": frozenset(STEPS),
    "summarization": frozenset({"distill", "finetune", "trim_vocab"}),
}
# Steps whose training several processes can share.
SHARED = frozenset({"distill", "finetune"})


def step_module(name: str) -> ModuleType:
    return importlib.import_module(STEPS[name])

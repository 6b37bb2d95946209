"""The steps of a recipe: what each is called and where it lives. Importing this imports no torch.

A step is a module with

    SETTINGS                             a frozen pydantic model: what the recipe may say
    VERSION                              counted up when the same settings give another result
    files(settings)                      paths in the settings, relative to the recipe
    check(settings, planned)             raises RecipeError before any weight loads
    after(settings, planned)             what the next step will find
    cost(settings, planned)              estimated seconds and peak memory
    run(settings, job)                   does the work; returns what it changed, as JSON

To add one, write its file in this folder and its line in STEPS, for classifiers, in CHAT_STEPS, for
models that continue texts, or in SUMMARIZATION_STEPS; a module that serves several stands in each.
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
CHAT_STEPS = {
    "distill": "edgekit.compress.distill_chat",
    "finetune": "edgekit.compress.finetune_chat",
    "prune": "edgekit.compress.prune_chat",
    "trim_vocab": "edgekit.compress.trim_vocab",
}
# For models that choose sentences of a text, or write it anew.
SUMMARIZATION_STEPS = {
    "distill": "edgekit.compress.distill",
    "finetune": "edgekit.compress.finetune",
    "prune": "edgekit.compress.prune_writer",
    "trim_vocab": "edgekit.compress.trim_vocab",
}
# The steps that each task has.
OF_TASK = {"classification": STEPS, "chat": CHAT_STEPS, "summarization": SUMMARIZATION_STEPS}

# Steps that make a model smaller: the checkpoint that enters the first of them is the teacher.
SHRINKING = frozenset({"trim_vocab", "distill", "prune"})
# Steps whose training several processes can share.
SHARED = frozenset({"distill", "finetune"})


def step_module(name: str, task: str) -> ModuleType:
    return importlib.import_module(OF_TASK[task][name])

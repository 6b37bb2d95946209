"""What edgekit/runtime refuses to people: the sentences, by code. Refuses nothing itself."""

from __future__ import annotations

from functools import partial

from edgekit import errors

TEMPLATES = {
    "memory-not-allowed": "The model '{name}' needs {needed} of memory and max_ram allows "
    "{allowed}; raise max_ram or use {smaller}.",
    "memory-not-free": "The model '{name}' needs {needed} of memory and {free} are free; "
    "{instead} {smaller}.",
    "model-closed": "This model was closed; load it again.",
    "model-forked": "This model was loaded before the process was forked; load it in the new "
    "process.",
    "worker-ended": "The process that held the model ended ({how}{colon}{said}); the next call "
    "starts it again.",
    "artifact-replaced": "{folder}: another artifact has taken this place since; load it again.",
    "format-not-run": "This edgekit cannot run the {task} artifact '{name}' in the format "
    "'{format}'; pip install --upgrade edgekit",
    "answers-differ": "The model '{name}' does not answer here as it did where it was built "
    "(golden input {place}: {found}); install another version of {engine}{among}, or build the "
    "artifact again on this machine.",
    "character-too-long": "A single character takes more than the {most} tokens that the model "
    "reads at once; use a model with a longer window.",
    "pair-too-long": "The first text of a pair ('{shown}') takes more than half of the {most} "
    "tokens that the model reads at once, and is read whole with every part of the second; "
    "shorten it, or use a model with a longer window.",
    "conversation-too-long": "The conversation takes {tokens} tokens and its answer {room}; the "
    "model's context has {context}: {remedy}.",
}

told = partial(errors.told, TEMPLATES)

"""What edgekit/system refuses to people: the sentences, by code. Refuses nothing itself."""

from __future__ import annotations

from functools import partial

from edgekit import errors

TEMPLATES = {
    "no-python": "There is no Python program to start a worker with; do not isolate.",
    "process-not-started": "A process for this cannot be started ({reason}); {remedy}.",
    "disk-full-work": "{folder}: the disk is full; {work} needs more than the {free} MB that "
    "are free. Free some space, empty the store with 'edgekit store --clear', or name a folder "
    "on another disk with {elsewhere}; the same command then goes on from here.",
}

told = partial(errors.told, TEMPLATES)

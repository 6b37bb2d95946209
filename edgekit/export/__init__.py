"""The formats an artifact can have and where each is written. Importing this imports no torch.

A format is a module with

    SETTINGS                             a frozen pydantic model: what the recipe may say
    TASKS                                the tasks whose models it can hold
    cost(settings, planned)              estimated seconds, peak memory and disk
    run(settings, job)                   makes the artifact's model file, a job.Exported

and, where a task's artifacts are judged against the same model unquantized (chat),

    half(job)                            that file, proven equal to the checkpoint, a store.Finished

To add one, write its file in this folder and its line in FORMATS.
"""

from __future__ import annotations

import importlib
from types import ModuleType

FORMATS = {
    "onnx": "edgekit.export.onnx",
}


def format_module(name: str) -> ModuleType:
    return importlib.import_module(FORMATS[name])

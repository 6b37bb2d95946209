"""The formats an artifact can have and where each is written. Importing this imports no torch.

A format is a module with

    SETTINGS                             a frozen pydantic model: what the recipe may say
    cost(settings, planned)              estimated seconds, peak memory and disk
    run(settings, job)                   makes the artifact's model file, a job.Exported

and, where a task's artifacts are judged against the same model unquantized (chat),

    half(job)                            that file, proven equal to the checkpoint, a store.Finished

To add one, write its file in this folder and its lines in FORMATS and OF_TASK.
"""

from __future__ import annotations

import importlib
from types import ModuleType

FORMATS = {
    "gguf": "edgekit.export.gguf",
    "onnx": "edgekit.export.onnx",
}
# The formats that can hold a model of each task.
OF_TASK = {
    "chat": frozenset({"gguf"}),
    "classification": frozenset({"onnx"}),
    "summarization": frozenset({"onnx"}),
}


def format_module(name: str) -> ModuleType:
    return importlib.import_module(FORMATS[name])

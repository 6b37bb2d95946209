"""edgekit: small offline models from fine-tuned ones. Importing this imports nothing heavy.

with edgekit.load("triage-sw") as model:
    answer = model.classify("Mtoto ana homa kali")
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import (
    ArtifactError,
    ContextOverflow,
    DataError,
    EdgekitError,
    IntegrityError,
    MissingExtra,
    OutOfDisk,
    OutOfMemoryBudget,
    RecipeError,
    TemplateError,
    UnsupportedTask,
    WorkerError,
)

if TYPE_CHECKING:
    from edgekit.artifact.manifest import Manifest
    from edgekit.data.conversation import Reply
    from edgekit.distributed.handle import Handle
    from edgekit.model import Model
    from edgekit.runtime.memory import Inspection
    from edgekit.tasks.chat.stream import ChatStream
    from edgekit.tasks.classification.answer import Answer

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "ArtifactError",
    "ChatStream",
    "ContextOverflow",
    "DataError",
    "EdgekitError",
    "Handle",
    "Inspection",
    "IntegrityError",
    "Manifest",
    "MissingExtra",
    "Model",
    "OutOfDisk",
    "OutOfMemoryBudget",
    "RecipeError",
    "Reply",
    "TemplateError",
    "UnsupportedTask",
    "WorkerError",
    "inspect",
    "load",
]


def load(
    folder: str | os.PathLike[str],
    *,
    threads: int | None = None,
    max_ram: str | None = None,
    isolate: bool = False,
    context: int | None = None,
) -> Model:
    """Checks an artifact and makes its model ready to answer.

    `threads` is how many cores to use: by default 2 for a single text, all for a stream of texts.
    `max_ram`, such as "1.5GB", is the most memory that the model may need. With `isolate` the model
    runs in a subprocess, so that a crash there leaves this process running; a chat model always
    does. `context` is how many tokens a chat model remembers, 4096 by default. Raises
    ArtifactError, IntegrityError, OutOfMemoryBudget or UnsupportedTask.
    """
    from edgekit.model import load as load_model  # numpy and an engine: not on import

    return load_model(folder, threads=threads, max_ram=max_ram, isolate=isolate, context=context)


def inspect(folder: str | os.PathLike[str], *, context: int | None = None) -> Inspection:
    """What an artifact is, from its manifest alone, and whether it fits in memory here.

    A chat model needs more memory the larger its `context`, the tokens that it remembers. Raises
    ArtifactError or IntegrityError.
    """
    from edgekit.artifact.folder import read  # hashing, locks and the machine: not on import
    from edgekit.runtime.memory import inspect as inspect_memory

    return inspect_memory(read(Path(folder)), context=context)


_LAZY = {
    "Answer": "edgekit.tasks.classification.answer",
    "ChatStream": "edgekit.tasks.chat.verbs",
    "Handle": "edgekit.distributed.handle",
    "Inspection": "edgekit.runtime.memory",
    "Manifest": "edgekit.artifact.manifest",
    "Model": "edgekit.model",
    "Reply": "edgekit.data.conversation",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'edgekit' has no attribute '{name}'")
    import importlib  # only when such a name is used

    return getattr(importlib.import_module(_LAZY[name]), name)

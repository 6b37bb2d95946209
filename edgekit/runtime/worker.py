"""The worker: a subprocess that holds a model for its parent (system/serving.py). Knows no task.

The first request is {"verb": "load"}, or only {"verb": "test"}; then any of the verbs of the
artifact's task (its wire.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.artifact.folder import Artifact, read
from edgekit.errors import IntegrityError
from edgekit.runtime.engine import Asked
from edgekit.runtime.opening import open_engine, self_test_here
from edgekit.runtime.refusals import told
from edgekit.system.serving import Request, Verb
from edgekit.tables import task_part


def _test(request: Request) -> Mapping[str, Any]:
    return {"answers": self_test_here(_artifact(request))}


def _load(request: Request) -> Mapping[str, Any]:
    artifact = _artifact(request)
    engine: Any = open_engine(artifact, Asked(**request["asked"]))
    task = task_part(artifact.manifest.task, "wire")
    verbs = {name: partial(verb, engine) for name, verb in task.VERBS.items()}
    request.server.offer(verbs, at_once=task.AT_ONCE)
    return dict(task.facts(engine))


def _artifact(request: Request) -> Artifact:
    artifact = read(Path(request["folder"]))
    if artifact.manifest.digest != request["digest"]:
        raise IntegrityError(told("artifact-replaced", {"folder": artifact.folder}))
    return artifact


VERBS: Mapping[str, Verb] = {"load": _load, "test": _test}

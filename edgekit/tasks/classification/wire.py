"""A classifier in a worker process: its requests and replies. Knows no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgekit.artifact.folder import Artifact
from edgekit.data import inputs
from edgekit.data.inputs import Input
from edgekit.runtime.engine import Asked
from edgekit.runtime.isolated import Supervisor, TaskVerb
from edgekit.system.serving import Request
from edgekit.tasks.classification.engine import Classifier


class IsolatedClassifier:
    def __init__(self, artifact: Artifact, asked: Asked) -> None:
        self._worker = Supervisor(artifact, asked)
        self.workers = int(self._worker.facts["workers"])
        self.version = str(self._worker.facts["version"])

    def logits(self, given: Input, *, alone: bool) -> tuple[np.ndarray, int]:
        result = self._worker.begin("logits", text=given, alone=alone).result()
        return _found(result)

    def several(self, given: Sequence[Input]) -> list[tuple[np.ndarray, int]]:
        result = self._worker.begin("several", texts=list(given)).result()
        return [_found(one) for one in result["several"]]

    def close(self) -> None:
        self._worker.close()


def _found(result: Mapping[str, Any]) -> tuple[np.ndarray, int]:
    return np.array(result["logits"], dtype=np.float32), int(result["parts"])


def _logits(engine: Any, request: Request) -> Mapping[str, Any]:
    logits, parts = engine.logits(inputs.from_json(request["text"]), alone=request["alone"])
    return {"logits": logits.tolist(), "parts": parts}


def _several(engine: Any, request: Request) -> Mapping[str, Any]:
    found = engine.several([inputs.from_json(one) for one in request["texts"]])
    return {"several": [{"logits": one.tolist(), "parts": parts} for one, parts in found]}


VERBS: Mapping[str, TaskVerb] = {"logits": _logits, "several": _several}
AT_ONCE = 64
"""Requests that a worker answers at the same time: the parent sends no more than there are
threads."""


def facts(engine: Classifier) -> Mapping[str, Any]:
    """What a worker reports about the model that it has loaded."""
    return {"version": engine.version, "workers": engine.workers}

"""Models in a subprocess, behind the interfaces of engine.py: a crash is an error. No task."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.errors import WorkerError
from edgekit.runtime.engine import Asked
from edgekit.runtime.refusals import told
from edgekit.system.child import Child, Exchange
from edgekit.system.serving import Request

TaskVerb = Callable[[Any, Request], Mapping[str, Any]]
"""What a worker's engine does for one request."""


class Supervisor:
    """Sends requests to a worker process; starts a new one if it died."""

    def __init__(self, artifact: Artifact, asked: Asked) -> None:
        self._load = {"asked": asked.as_json(), **_place(artifact)}
        self._starting = threading.Lock()
        self._worker, self.facts = self._start()
        """What the worker reports about the model."""

    def begin(self, verb: str, **request: Any) -> Exchange:
        with self._starting:
            if self._worker.ended:
                self._finalize()
                self._worker, _ = self._start()
            worker = self._worker
        return worker.begin(verb, request)

    def close(self) -> None:
        self._finalize()

    def _start(self) -> tuple[Child, dict[str, Any]]:
        worker = start_worker()
        # For programs that never close their model: at garbage collection, or at exit.
        self._finalize = weakref.finalize(self, worker.end)
        try:
            return worker, worker.ask("load", self._load)
        except BaseException:
            self._finalize()
            raise


def self_test(artifact: Artifact) -> int:
    """Runs the golden answers in a worker of its own; returns their number."""
    with start_worker() as worker:
        return int(worker.ask("test", _place(artifact))["answers"])


def start_worker() -> Child:
    return Child("edgekit.runtime.worker", _died)


def _died(how: str, said: str) -> WorkerError:
    return WorkerError(
        told("worker-ended", {"how": how, "colon": ": " if said else "", "said": said})
    )


def _place(artifact: Artifact) -> dict[str, Path | str]:
    return {"folder": artifact.folder.resolve(), "digest": artifact.manifest.digest}

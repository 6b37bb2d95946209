"""Models in a process of their own, behind the interfaces of engine.py; a crash is an error."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.runtime.engine import Asked
from edgekit.runtime.process import Exchange, WorkerProcess


class Supervisor:
    """Asks a worker process; starts another where the last one died."""

    def __init__(self, artifact: Artifact, asked: Asked) -> None:
        self._load = {"verb": "load", "asked": asked.as_json(), **_place(artifact)}
        self._starting = threading.Lock()
        self._process, self.facts = self._start()
        """What the model says of itself."""

    def begin(self, verb: str, **request: Any) -> Exchange:
        with self._starting:
            if self._process.ended:
                self._finalize()
                self._process, _ = self._start()
            process = self._process
        return process.begin({"verb": verb, **request})

    def close(self) -> None:
        self._finalize()

    def _start(self) -> tuple[WorkerProcess, dict[str, Any]]:
        process = WorkerProcess()
        # For programs that never close their model: when it is forgotten, or at the very end.
        self._finalize = weakref.finalize(self, process.end)
        try:
            return process, process.begin(self._load).result()
        except BaseException:
            self._finalize()
            raise


def self_test(artifact: Artifact) -> int:
    """Runs the golden answers in a worker of its own; their number."""
    process = WorkerProcess()
    try:
        return int(process.begin({"verb": "test", **_place(artifact)}).result()["answers"])
    finally:
        process.end()


def _place(artifact: Artifact) -> dict[str, str]:
    return {"folder": str(artifact.folder.resolve()), "digest": artifact.manifest.digest}

"""Models in a process of their own, behind the interfaces of engine.py; a crash is an error."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.artifact.folder import Artifact
from edgekit.data.conversation import Message, Sampling, WhenFull
from edgekit.runtime.engine import Asked
from edgekit.runtime.process import Exchange, WorkerProcess
from edgekit.tasks.summarization.summary import Wanted


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


class IsolatedClassifier:
    def __init__(self, artifact: Artifact, asked: Asked) -> None:
        self._worker = Supervisor(artifact, asked)
        self.workers = int(self._worker.facts["workers"])
        self.version = str(self._worker.facts["version"])

    def logits(self, text: str, *, alone: bool) -> tuple[np.ndarray, int]:
        result = self._worker.begin("logits", text=text, alone=alone).result()
        return np.array(result["logits"], dtype=np.float32), int(result["parts"])

    def close(self) -> None:
        self._worker.close()


class IsolatedSummarizer:
    """Requests are begun in order and answered one after the other."""

    def __init__(self, artifact: Artifact, asked: Asked) -> None:
        self._worker = Supervisor(artifact, asked)
        self.version = str(self._worker.facts["version"])

    def begin_summary(self, text: str, wanted: Wanted) -> Exchange:
        """Its pieces are the fields of Told and its result those of a Summary."""
        return self._worker.begin("summarize", text=text, wanted=wanted.as_json())

    def close(self) -> None:
        self._worker.close()


class IsolatedChatter:
    """Requests are begun in order and answered one after the other."""

    def __init__(self, artifact: Artifact, asked: Asked) -> None:
        self._worker = Supervisor(artifact, asked)
        self.context = int(self._worker.facts["context"])
        self.version = str(self._worker.facts["version"])

    def begin_chat(
        self,
        messages: Sequence[Message],
        asked: Sampling,
        *,
        when_full: WhenFull,
        grammar: str | None = None,
    ) -> Exchange:
        """Its pieces are texts and its result the fields of a Reply."""
        return self._worker.begin(
            "chat",
            messages=list(messages),
            sampling=asked.as_json(),
            when_full=when_full,
            grammar=grammar,
        )

    def score(self, messages: Sequence[Message], answers: Sequence[str]) -> list[float]:
        """The log-probability of each of these answers, in nats."""
        exchange = self._worker.begin("score", messages=list(messages), answers=list(answers))
        return [float(score) for score in exchange.result()["scores"]]

    def count(self, prompt: str | Sequence[Message]) -> int:
        """The tokens of a text, or of a conversation up to where the answer begins."""
        told = prompt if isinstance(prompt, str) else list(prompt)
        return int(self._worker.begin("count", prompt=told).result()["tokens"])

    def close(self) -> None:
        self._worker.close()

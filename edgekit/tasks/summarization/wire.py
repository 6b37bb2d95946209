"""A summarizer in a worker process: its requests and replies. Knows no engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.runtime.engine import Asked
from edgekit.runtime.isolated import Supervisor, TaskVerb
from edgekit.system.cancel import Cancel
from edgekit.system.child import Exchange
from edgekit.system.serving import Request
from edgekit.tasks.summarization.engine import Summarizer
from edgekit.tasks.summarization.summary import Wanted
from edgekit.tasks.summarization.vector import Vector


class IsolatedSummarizer:
    """Requests are begun in order and answered one after the other."""

    def __init__(self, artifact: Artifact, asked: Asked) -> None:
        self._worker = Supervisor(artifact, asked)
        self.version = str(self._worker.facts["version"])

    def begin_summary(self, text: str, wanted: Wanted) -> Exchange:
        """The pieces are the fields of Told, and the result those of a Summary."""
        return self._worker.begin("summarize", text=text, wanted=wanted.as_json())

    def embed_each(self, texts: Sequence[str], *, cancel: Cancel) -> Iterator[Vector]:
        """The vectors of texts in their order, until it is cancelled."""
        exchange = self._worker.begin("embed", texts=list(texts))
        while "result" not in (heard := exchange.take()):
            if cancel.is_set():
                exchange.cancel()
            else:
                yield Vector.from_json(heard["piece"])

    def close(self) -> None:
        self._worker.close()


def _summarize(engine: Any, request: Request) -> Mapping[str, Any]:
    found = engine.summarize(
        request["text"],
        Wanted(**request["wanted"]),
        tell=lambda told: request.tell(told.as_json()),
        cancel=request.cancel,
    )
    return dict(found.as_json())


def _embed(engine: Any, request: Request) -> Mapping[str, Any]:
    for vector in engine.embed_each(request["texts"], cancel=request.cancel):
        request.tell(vector.as_json())
    return {}


VERBS: Mapping[str, TaskVerb] = {"summarize": _summarize, "embed": _embed}
AT_ONCE = 1
"""Requests that a worker answers at the same time; the others wait, in order."""


def facts(engine: Summarizer) -> Mapping[str, Any]:
    """What a worker reports about the model that it has loaded."""
    return {"version": engine.version}

"""A translator in a worker process: its requests and replies. Knows no engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.runtime.engine import Asked
from edgekit.runtime.isolated import Supervisor, TaskVerb
from edgekit.system.cancel import Cancel
from edgekit.system.serving import Request
from edgekit.tasks.translation.engine import Translator
from edgekit.tasks.translation.translated import Told, Translation


class IsolatedTranslator:
    """Requests are begun in order and answered one after the other."""

    def __init__(self, artifact: Artifact, asked: Asked) -> None:
        self._worker = Supervisor(artifact, asked)
        self.version = str(self._worker.facts["version"])

    def translate(
        self,
        text: str,
        *,
        source: str,
        target: str,
        tell: Callable[[Told], None],
        cancel: Cancel,
    ) -> Translation:
        exchange = self._worker.begin("translate", text=text, source=source, target=target)
        while "result" not in (heard := exchange.take()):
            if cancel.is_set():
                exchange.cancel()
            tell(Told(**heard["piece"]))
        return Translation.from_json(heard["result"])

    def close(self) -> None:
        self._worker.close()


def _translate(engine: Any, request: Request) -> Mapping[str, Any]:
    found = engine.translate(
        request["text"],
        source=request["source"],
        target=request["target"],
        tell=lambda told: request.tell(told.as_json()),
        cancel=request.cancel,
    )
    return dict(found.as_json())


VERBS: Mapping[str, TaskVerb] = {"translate": _translate}
AT_ONCE = 1
"""Requests that a worker answers at the same time; the others wait, in order."""


def facts(engine: Translator) -> Mapping[str, Any]:
    """What a worker reports about the model that it has loaded."""
    return {"version": engine.version}

"""A chat model in a worker process: its requests and replies. Knows no engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.data.conversation import Message, Sampling
from edgekit.runtime.engine import Asked
from edgekit.runtime.isolated import Supervisor, TaskVerb
from edgekit.system.child import Exchange
from edgekit.system.serving import Request


class IsolatedChatter:
    """Requests are begun in order and answered one after the other."""

    def __init__(self, artifact: Artifact, asked: Asked) -> None:
        self._worker = Supervisor(artifact, asked)
        self.context = int(self._worker.facts["context"])
        self.version = str(self._worker.facts["version"])

    def begin_chat(self, messages: Sequence[Message], asked: Sampling) -> Exchange:
        """The pieces are strings, and the result is the fields of a Reply."""
        return self._worker.begin("chat", messages=list(messages), sampling=asked.as_json())

    def score(self, messages: Sequence[Message], answers: Sequence[str]) -> list[float]:
        """The log-probability of each of these answers, in nats."""
        exchange = self._worker.begin("score", messages=list(messages), answers=list(answers))
        return [float(score) for score in exchange.result()["scores"]]

    def count(self, prompt: str | Sequence[Message]) -> int:
        """The tokens of a text, or of a conversation up to where the answer begins."""
        told = prompt if isinstance(prompt, str) else list(prompt)
        return int(self._worker.begin("count", prompt=told).result()["tokens"])

    def ids(self, prompt: str | Sequence[Message]) -> list[int]:
        """These tokens themselves."""
        told = prompt if isinstance(prompt, str) else list(prompt)
        return list(self._worker.begin("ids", prompt=told).result()["ids"])

    def forget(self) -> None:
        """Erases what is remembered of earlier requests."""
        self._worker.begin("forget").result()

    def close(self) -> None:
        self._worker.close()


def _chat(engine: Any, request: Request) -> Mapping[str, Any]:
    reply = engine.chat(
        request["messages"],
        Sampling.from_json(request["sampling"]),
        on_piece=request.tell,
        cancel=request.cancel,
    )
    return dict(reply.as_json())


def _score(engine: Any, request: Request) -> Mapping[str, Any]:
    return {"scores": engine.score(request["messages"], request["answers"], request.cancel)}


def _count(engine: Any, request: Request) -> Mapping[str, Any]:
    return {"tokens": engine.count(request["prompt"])}


def _ids(engine: Any, request: Request) -> Mapping[str, Any]:
    return {"ids": engine.ids(request["prompt"])}


def _forget(engine: Any, request: Request) -> Mapping[str, Any]:
    engine.forget()
    return {}


VERBS: Mapping[str, TaskVerb] = {
    "chat": _chat, "score": _score, "count": _count, "ids": _ids, "forget": _forget,
}  # fmt: skip
AT_ONCE = 1
"""Requests that a worker answers at the same time; the others wait, in order."""


def facts(engine: Any) -> Mapping[str, Any]:
    """What a worker reports about the model that it has loaded."""
    return {"version": engine.version, "context": engine.context}

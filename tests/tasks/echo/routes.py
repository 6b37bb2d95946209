"""What it answers over HTTP: a text, heard again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgekit.artifact.manifest import Manifest
from edgekit.tasks.routes import Answered, Body, Forget, Route, Way


@dataclass(frozen=True, slots=True)
class Echo:
    texts: tuple[str, ...]
    stream: bool = False

    @classmethod
    def read(cls, body: Body, manifest: Manifest) -> Echo:
        return cls((body["input"],))

    def run(self, verbs: Any, way: Way) -> Answered:
        return Answered(body={"echo": verbs.echo(self.texts[0])})


FORGET: Forget | None = None
ROUTES = {
    "/v1/echo": Route(
        verb="echo",
        says="A text, heard again.",
        request={
            "type": "object",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
            "additionalProperties": False,
        },
        answer={"type": "object", "properties": {"echo": {"type": "string"}}},
        read=Echo.read,
    )
}

"""A summary asked over HTTP, of any model that summarizes: whole, or told part by part."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.artifact.manifest import Manifest
from edgekit.data import words as counting
from edgekit.errors import WorkerError
from edgekit.tasks.quality import judged_languages
from edgekit.tasks.routes import (
    COUNTS,
    Answered,
    Body,
    File,
    Route,
    Way,
    WrongField,
    counts,
)
from edgekit.tasks.summarization.stream import SummaryStream
from edgekit.tasks.summarization.summary import MOST_WORDS, Summary, Told
from edgekit.tasks.summarization.verbs import SummaryVerbs

MOST_CHARACTERS = 4_000_000
_KIND = "edgekit.summary"


@dataclass(frozen=True, slots=True)
class Summarize:
    text: str
    words: int | None
    stream: bool
    judged: frozenset[str]

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    @classmethod
    def read(cls, body: Body, manifest: Manifest) -> Summarize:
        text, words = body["input"], body.get("words")
        if not counting.any_in(text):
            raise WrongField("input", "input: there are no words in this text to summarize.")
        return cls(
            text, None if words is None else int(words), bool(body.get("stream")),
            judged_languages(manifest.quality),
        )  # fmt: skip

    def run(self, verbs: SummaryVerbs, way: Way) -> Answered:
        def told(now: Told) -> None:
            if not self.stream:
                return
            kind = {"object": f"{_KIND}.progress"}
            if now.piece:
                kind = {"object": f"{_KIND}.delta", "delta": now.piece}
            way.tell({**kind, "parts_read": now.parts_read, "parts": now.parts})

        stream: SummaryStream = verbs.summarize(
            self.text, words=self.words, kept=None, on_told=told
        )
        with stream:
            way.stoppable(stream.cancel)
            found = stream.summary()
        if found.cancelled and not way.cancelled:
            raise WorkerError("The summary was stopped before its end; ask again.")
        body = self._body(found, way)
        if self.stream:
            way.tell(body)
        return Answered(body=body)

    def _body(self, found: Summary, way: Way) -> dict[str, object]:
        language = found.language
        return {
            "object": _KIND,
            "model": way.model,
            **found.as_json(),
            "usage": {
                "edgekit": counts(
                    way,
                    parts_read=found.parts_read,
                    parts=found.parts,
                    language_judged=None if language is None else language in self.judged,
                )
            },
        }


ROUTE = Route(
    verb="summarize",
    says="A summary of a text of any length, and how much of it was read. As a stream: objects "
    "edgekit.summary.progress while parts are read, edgekit.summary.delta with pieces, and the "
    "whole at the end.",
    request={
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "input": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS},
            "words": {"type": ["integer", "null"], "minimum": 1, "maximum": MOST_WORDS},
            "stream": {"type": ["boolean", "null"]},
        },
        "required": ["input"],
        "additionalProperties": False,
    },
    answer={
        "type": "object",
        "properties": {
            "object": {"const": _KIND},
            "model": {"type": "string"},
            "text": {"type": "string"},
            "parts_read": {"type": "integer"},
            "parts": {"type": "integer"},
            "language": {"type": ["string", "null"]},
            "flagged": {"type": "array", "items": {"type": "string"}},
            "warnings": {"type": "array", "items": {"type": "string"}},
            "usage": {"type": "object", "properties": {"edgekit": COUNTS}, "required": ["edgekit"]},
        },
        "required": ["object", "model", "text", "parts_read", "parts", "usage"],
    },
    read=Summarize.read,
    file=File(),
)

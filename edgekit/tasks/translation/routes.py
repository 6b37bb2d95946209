"""What a translator answers over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.artifact.manifest import Manifest
from edgekit.errors import EdgekitError, WorkerError
from edgekit.system.cancel import Cancel
from edgekit.tasks.quality import parts
from edgekit.tasks.routes import (
    COUNTS,
    Answered,
    Body,
    File,
    Forget,
    Route,
    Way,
    WrongField,
    counts,
)
from edgekit.tasks.translation import translated
from edgekit.tasks.translation.translated import Told
from edgekit.tasks.translation.verbs import TranslationVerbs
from edgekit.wording.directions import direction
from edgekit.wording.language_codes import normal

MOST_CHARACTERS = 1_000_000
_KIND = "edgekit.translation"


@dataclass(frozen=True, slots=True)
class Translate:
    text: str
    to: str
    from_: str | None
    stream: bool
    judged: frozenset[str]

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    @classmethod
    def read(cls, body: Body, manifest: Manifest) -> Translate:
        to, from_ = (code and normal(code) for code in (body.get("to"), body.get("from")))
        name, known = manifest.name, manifest.languages
        try:
            target = translated.into(name, known, to)
        except EdgekitError as error:
            raise WrongField("to", f"to: {error}") from error
        try:
            source = translated.out_of(name, known, target, from_)
        except EdgekitError as error:
            raise WrongField("from", f"from: {error}") from error
        return cls(
            body["input"],
            target,
            source,
            bool(body.get("stream")),
            frozenset(parts(manifest.quality, "by_language")),
        )

    def run(self, verbs: TranslationVerbs, way: Way) -> Answered:
        cancel = Cancel()
        way.stoppable(cancel.set)

        def told(now: Told) -> None:
            if self.stream:
                kind = {"object": f"{_KIND}.delta", "delta": now.piece}
                way.tell({**kind, "parts_read": now.parts_read, "parts": now.parts})

        found = verbs.translate(
            self.text, to=self.to, from_=self.from_, on_told=told, cancel=cancel
        )
        if found.cancelled and not way.cancelled:
            raise WorkerError("The translation was stopped before its end; ask again.")
        name = direction(found.source, found.target)
        body = {
            "object": _KIND,
            "model": way.model,
            **found.as_json(),
            "usage": {
                "edgekit": counts(
                    way,
                    parts_read=found.parts_read,
                    parts=found.parts,
                    language_judged=name in self.judged,
                )
            },
        }
        if self.stream:
            way.tell(body)
        return Answered(body=body)


_LANGUAGE = {"type": ["string", "null"], "minLength": 2, "maxLength": 35}
FORGET: Forget | None = None
ROUTES = {
    "/v1/translate": Route(
        verb="translate",
        says="A text of any length in another language, in its own lines. As a stream: objects "
        "edgekit.translation.delta after every sentence, and the whole at the end.",
        request={
            "type": "object",
            "properties": {
                "model": {"type": "string"},
                "input": {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS},
                "to": _LANGUAGE,
                "from": _LANGUAGE,
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
                "from": {"type": "string"},
                "to": {"type": "string"},
                "parts_read": {"type": "integer"},
                "parts": {"type": "integer"},
                "warnings": {"type": "array", "items": {"type": "string"}},
                "cancelled": {"type": "boolean"},
                "usage": {
                    "type": "object", "properties": {"edgekit": COUNTS}, "required": ["edgekit"],
                },
            },
            "required": [
                "object", "model", "text", "from", "to", "parts_read", "parts", "usage",
            ],
        },
        read=Translate.read,
        file=File(),
    )
}  # fmt: skip

"""Vectors asked over HTTP as OpenAI's clients ask for embeddings. Runs no model."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.artifact.manifest import Manifest
from edgekit.data import words
from edgekit.system.cancel import Cancel
from edgekit.tasks.routes import (
    COUNTS,
    INPUT,
    Answered,
    Body,
    Route,
    Schema,
    Way,
    WrongField,
    counts,
)
from edgekit.tasks.summarization.vector import Vector
from edgekit.tasks.summarization.verbs import SummaryVerbs


@dataclass(frozen=True, slots=True)
class Embed:
    texts: tuple[str, ...]
    base64: bool
    stream: bool = False

    @classmethod
    def read(cls, body: Body, manifest: Manifest) -> Embed:
        given = body["input"]
        texts = (given,) if isinstance(given, str) else tuple(given)
        for number, text in enumerate(texts):
            if not words.any_in(text):
                place = "input" if isinstance(given, str) else f"input[{number}]"
                raise WrongField(place, f"{place}: there are no words in this text; leave it out.")
        return cls(texts, body.get("encoding_format") == "base64")

    def run(self, verbs: SummaryVerbs, way: Way) -> Answered:
        cancel = Cancel()
        way.stoppable(cancel.set)
        found = list(verbs.embed_each(self.texts, cancel=cancel))
        tokens = sum(vector.tokens for vector in found)
        parts = sum(vector.parts for vector in found)
        body = {
            "object": "list",
            "model": way.model,
            "data": [
                {"object": "embedding", "index": at, "embedding": self._written(vector)}
                for at, vector in enumerate(found)
            ],
            "usage": {
                "prompt_tokens": tokens,
                "total_tokens": tokens,
                "edgekit": counts(way, parts_read=parts, parts=parts),
            },
        }
        return Answered(body=body, prompt_tokens=tokens)

    def _written(self, vector: Vector) -> list[float] | str:
        if not self.base64:
            return [float(value) for value in vector.values]
        # Little-endian on any machine: so do OpenAI's clients read it.
        return base64.b64encode(vector.values.astype(np.dtype("<f4")).tobytes()).decode()


def _explain(body: Body) -> None:
    given = body.get("input")
    ids = isinstance(given, list) and any(isinstance(one, int | list) for one in given)
    if ids:
        raise WrongField(
            "input",
            "input: these are token ids of another tokenizer, and here texts are read; let the "
            "client send text (LangChain's OpenAIEmbeddings: check_embedding_ctx_length=False).",
        )


def _chooses(manifest: Manifest) -> bool:
    spec = manifest.model.summary
    return spec is not None and spec.engine == "extractive"


_VECTOR: Schema = {
    "type": "object",
    "properties": {
        "object": {"const": "embedding"},
        "index": {"type": "integer"},
        "embedding": {"anyOf": [
            {"type": "array", "items": {"type": "number"}},
            {"type": "string", "description": "base64 of little-endian float32"},
        ]},
    },
    "required": ["object", "index", "embedding"],
}  # fmt: skip
_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "object": {"const": "list"},
        "model": {"type": "string"},
        "data": {"type": "array", "items": _VECTOR},
        "usage": {
            "type": "object",
            "properties": {
                "prompt_tokens": {"type": "integer"},
                "total_tokens": {"type": "integer"},
                "edgekit": COUNTS,
            },
            "required": ["prompt_tokens", "total_tokens", "edgekit"],
        },
    },
    "required": ["object", "model", "data", "usage"],
}
ROUTE = Route(
    verb="embeddings",
    says="Vectors of a text or of several, each of length 1: their dot products say how alike the "
    "texts are.",
    request={
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "input": INPUT,
            "encoding_format": {"enum": ["float", "base64", None]},
            "user": {"type": ["string", "null"]},
        },
        "required": ["input"],
        "additionalProperties": False,
    },
    answer=_ANSWER,
    read=Embed.read,
    explain=_explain,
    has=_chooses,
)

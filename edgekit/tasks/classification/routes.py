"""What a classifier answers over HTTP: labels of a text or of several."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from edgekit.artifact.manifest import Manifest
from edgekit.data import language_of
from edgekit.tasks.classification.answer import Answer
from edgekit.tasks.quality import judged_languages
from edgekit.tasks.routes import (
    COUNTS,
    INPUT,
    MOST_TEXTS,
    Answered,
    Body,
    Call,
    File,
    Forget,
    Labelled,
    Route,
    Schema,
    Together,
    Way,
    WrongField,
    counts,
)

ABSTAIN_BELOW: Schema = {
    "type": ["number", "null"],
    "minimum": 0,
    "maximum": 1,
    "description": "answers with a lower score are marked; by default the artifact's own",
}
ANSWER: Schema = {
    "type": "object",
    "properties": {
        "object": {"const": "edgekit.labels"},
        "model": {"type": "string"},
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"type": "integer"},
                    "label": {"type": ["string", "null"]},
                    "score": {"type": "number"},
                    "scores": {"type": "object", "additionalProperties": {"type": "number"}},
                    "abstained": {"type": "boolean"},
                    "parts": {"type": "integer"},
                    "labels": {"type": "array", "items": {"type": "string"}},
                    "familiar": {
                        "type": ["boolean", "null"],
                        "description": "whether the text looks like those that the model was "
                        "taught; null where that is not known",
                    },
                },
                "required": [
                    *("index", "label", "score", "scores", "abstained", "parts", "labels"),
                    "familiar",
                ],
            },
        },
        "usage": {"type": "object", "properties": {"edgekit": COUNTS}, "required": ["edgekit"]},
    },
    "required": ["object", "model", "data", "usage"],
}


@dataclass(frozen=True, slots=True)
class Classify:
    texts: tuple[str, ...]
    abstain_below: float | None
    judged: frozenset[str]
    """Languages in which the artifact was judged."""
    stream: bool = False

    @classmethod
    def read(cls, body: Body, manifest: Manifest) -> Classify:
        return cls(texts_of(body), body.get("abstain_below"), judged_languages(manifest.quality))

    def run(self, verbs: Any, way: Way) -> Answered:
        # As a stream even for one text: by one thread each, so that no answer depends on how many
        # others are asked for, and the model is in memory once.
        answers = taken(verbs.classify(self.texts, abstain_below=self.abstain_below), way)
        return self.answered(answers, way)

    def answered(self, answers: list[Answer], way: Way) -> Answered:
        labelled = tuple(Labelled(answer.labels, answer.abstained) for answer in answers)
        return answered(self.texts, answers, way, judged=self.judged, labelled=labelled)


def _kind(call: Call) -> Hashable | None:
    return ("labels", call.abstain_below) if isinstance(call, Classify) else None


def _together(calls: Sequence[Call], verbs: Any, ways: Sequence[Way]) -> list[Answered]:
    mine = [call for call in calls if isinstance(call, Classify)]
    texts = [text for call in mine for text in call.texts]
    # One after the other, as each alone would be: a text's answer never depends on others.
    answers = iter(verbs.together(texts, abstain_below=mine[0].abstain_below))
    return [
        call.answered(list(islice(answers, len(call.texts))), way)
        for call, way in zip(mine, ways, strict=True)
    ]


def texts_of(body: Body) -> tuple[str, ...]:
    """The texts of `input`; raises WrongField for one without a word."""
    given = body["input"]
    texts = (given,) if isinstance(given, str) else tuple(given)
    for number, text in enumerate(texts):
        if not text.strip():
            place = "input" if isinstance(given, str) else f"input[{number}]"
            raise WrongField(
                place, f"{place}: this text is empty, so it has no label; leave it out."
            )
    return texts


def taken(answers: Generator[Answer, None, None], way: Way) -> list[Answer]:
    """The answers, as many as were made before the call was cancelled."""
    found: list[Answer] = []
    try:
        for answer in _until_cancelled(answers, way):
            found.append(answer)
    finally:
        answers.close()
    return found


def _until_cancelled(answers: Iterator[Answer], way: Way) -> Iterator[Answer]:
    for answer in answers:
        if way.cancelled:
            return
        yield answer


def answered(
    texts: tuple[str, ...],
    answers: list[Answer],
    way: Way,
    *,
    judged: frozenset[str],
    labelled: tuple[Labelled, ...] = (),
) -> Answered:
    abstained = sum(answer.abstained for answer in answers)
    parts = sum(answer.parts for answer in answers)
    # Only of a single text: several may be in as many languages.
    language = language_of.detect(texts[0]) if len(texts) == 1 else None
    body = {
        "object": "edgekit.labels",
        "model": way.model,
        "data": [{"index": at, **answer.as_json()} for at, answer in enumerate(answers)],
        "usage": {
            "edgekit": counts(
                way,
                parts_read=parts,
                parts=parts,
                abstained=abstained,
                language_judged=None if language is None else language in judged,
            )
        },
    }
    return Answered(body=body, abstained=abstained, labelled=labelled)


FORGET: Forget | None = None
ROUTES = {
    "/v1/classify": Route(
        verb="classify",
        says="Labels with scores, for a text or several.",
        request={
            "type": "object",
            "properties": {
                "model": {"type": "string"},
                "input": INPUT,
                "abstain_below": ABSTAIN_BELOW,
            },
            "required": ["input"],
            "additionalProperties": False,
        },
        answer=ANSWER,
        read=Classify.read,
        file=File(rows=MOST_TEXTS),
        together=Together(kind=_kind, run=_together),
    )
}

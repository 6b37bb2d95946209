"""A random model, which knows nothing, still answers with one of the labels and fits any schema."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

import edgekit
from edgekit.data.conversation import Sampling
from edgekit.errors import ContextOverflow, DataError, EdgekitError
from edgekit.runtime.gguf.engine import LlamaChat
from edgekit.runtime.gguf.native import Llama, Opening
from edgekit.system.cancel import Cancel
from edgekit.tasks.chat.extraction import Form

LABELS = ["light", "lights off", "heat", "music"]
SHORT = {"type": "string", "maxLength": 6}
SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": SHORT, "b": {"type": "boolean"}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"},
                                      "c": {"type": "null"}}, "required": ["b"]},
    {"type": "array", "items": {"enum": ["x", 1, None, 'q"\\\n']}, "minItems": 2, "maxItems": 4},
    {"type": "array", "items": {"type": "boolean"}, "maxItems": 1},
    {"type": "array", "items": SHORT, "maxItems": 0},
    {"type": "integer", "minimum": -3, "maximum": 12},
    {"type": "integer"}, {"type": "integer", "minimum": 0}, {"type": "number"},
    {"type": "string", "minLength": 3, "maxLength": 5}, {"type": "string", "format": "date"},
    {"const": {"a": [1]}}, {"type": ["string", "null"], "maxLength": 3},
    {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"é": {"type": "boolean"}}}]},
    {"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {
        "v": {"type": "boolean"}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/tree"}]},
    }, "required": ["v", "next"]}}},
]  # fmt: skip


def fits(value: Any, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    """What the schemas above say, judged without the grammar."""
    if "$ref" in schema:
        return fits(value, whole["$defs"]["tree"], whole)
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    if "anyOf" in schema:
        return any(fits(value, one, whole) for one in schema["anyOf"])
    if isinstance(schema["type"], list):
        return any(fits(value, {**schema, "type": one}, whole) for one in schema["type"])
    match schema["type"]:
        case "object":
            return (
                isinstance(value, dict)
                and set(schema.get("required", ())) <= set(value)
                and all(fits(part, schema["properties"][name], whole)
                        for name, part in value.items())
            )  # fmt: skip
        case "array":
            return (
                isinstance(value, list)
                and schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9)
                and all(fits(part, schema["items"], whole) for part in value)
            )
        case "string":
            if "format" in schema:
                return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value))
            return isinstance(value, str) and (
                schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 10**9)
            )
        case "integer":
            return type(value) is int and (
                schema.get("minimum", value) <= value <= schema.get("maximum", value)
            )
        case "number":
            return isinstance(value, int | float)
        case "boolean":
            return isinstance(value, bool)
    return value is None


@pytest.fixture(scope="module")
def engine(tiny_gguf: Path) -> Iterator[LlamaChat]:
    opened = LlamaChat(Llama(tiny_gguf, Opening(context=512, threads=1)), threads=1)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def model(made_chat_artifact: Path) -> Iterator[edgekit.Model]:
    with edgekit.load(made_chat_artifact, threads=1) as loaded:
        yield loaded


@pytest.mark.parametrize("number", range(len(SCHEMAS)))
def test_whatever_a_random_model_writes_fits_the_schema(engine: LlamaChat, number: int) -> None:
    form = Form.of(SCHEMAS[number])
    read = 0
    for seed in range(6):
        reply = engine.chat(
            [{"role": "user", "content": "Hello"}],
            Sampling(max_tokens=300, temperature=1.5, seed=seed, grammar=form.grammar),
            on_piece=lambda piece: None, cancel=Cancel(),
        )  # fmt: skip
        # Its letters are random, too, and some of them are no characters.
        if reply.ended == "stop" and "\ufffd" not in reply.text:
            read += 1
            assert fits(form.read(reply), SCHEMAS[number], SCHEMAS[number]), reply.text
    assert read >= 1


@dataclass
class Lamp:
    on: bool
    room: Literal["hall", "attic"] | None = None


def test_fields_come_back_as_they_were_asked_for(model: edgekit.Model) -> None:
    found = model.extract("The lamp is on.", schema={"enum": ["on", "off"]})
    assert found in ("on", "off")
    assert model.extract("The lamp is on.", schema={"enum": ["on", "off"]}) == found
    lamp = model.extract("The lamp is on.", schema=Lamp, max_tokens=200)
    assert isinstance(lamp, Lamp)
    assert isinstance(lamp.on, bool)
    assert lamp.room in ("hall", "attic", None)
    with pytest.raises(DataError, match="max_tokens"):
        model.extract("The lamp is on.", schema={"type": "string", "minLength": 50}, max_tokens=4)
    with pytest.raises(DataError, match="empty"):
        model.extract(" ", schema=Lamp)


def test_labels_are_scored_whatever_the_neighbours(model: edgekit.Model) -> None:
    texts = ["turn it up", "play a song", "turn it up", "x"]
    alone = [model.classify(text, labels=LABELS) for text in texts]
    random.Random(1).shuffle(texts)
    together = dict(zip(texts, model.classify(texts, labels=LABELS), strict=True))
    for answer, text in zip(alone, ["turn it up", "play a song", "turn it up", "x"], strict=True):
        assert together[text] == answer
        assert answer.label in LABELS
        assert sum(answer.scores.values()) == pytest.approx(1)
        assert answer.score == max(answer.scores.values())


def test_examples_and_validation_rows_are_heeded(model: edgekit.Model) -> None:
    plain = model.classify("turn it up", labels=LABELS)
    shown = model.classify("turn it up", labels=LABELS, examples=[("warmer", "heat")])
    assert shown.scores != plain.scores
    # All rows have the label that a random model likes least: then balancing must help.
    least = min(plain.scores, key=lambda label: plain.scores[label])
    rows = [(text, least) for text in ("turn it up", "warmer", "more", "now", "again", "here")]
    balanced = model.classify("turn it up", labels=LABELS, validation=rows)
    assert balanced.scores[least] > plain.scores[least]
    sure = model.classify("turn it up", labels=LABELS, abstain_below=1.0)
    assert sure.abstained
    with pytest.raises(DataError, match="none of the labels"):
        model.classify("x", labels=LABELS, validation=[("x", "nothing")] * 6)
    with pytest.raises(ContextOverflow):
        model.classify("turn it up " * 300, labels=LABELS)
    with pytest.raises(EdgekitError, match="abstain_below"):
        model.classify("x", labels=LABELS, abstain_below=2)


def test_many_long_labels_are_scored_in_portions(model: edgekit.Model) -> None:
    labels = [f"{word} {number}" for number in range(20) for word in ("light", "heating")]
    answer = model.classify("turn it up", labels=labels)
    assert set(answer.scores) == set(labels)

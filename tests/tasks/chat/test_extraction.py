"""Schemas as grammars, and dataclasses as schemas; what cannot be held to is refused."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from edgekit.data.conversation import Reply
from edgekit.errors import DataError
from edgekit.tasks.chat import dataclass_schemas, grammars
from edgekit.tasks.chat.extraction import Form


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Place:
    """Where it is."""

    city: str
    floor: int | None = None


@dataclass
class Lamp:
    name: str
    on: bool
    watts: float
    colour: Colour
    size: Literal["small", "large"]
    places: list[Place]
    tags: tuple[str, ...] = ()
    near: Place | str | None = None
    notes: Sequence[str] = field(default_factory=list)


def test_a_dataclass_becomes_a_schema_and_comes_back() -> None:
    schema = dataclass_schemas.schema(Lamp)
    assert schema["required"] == ["name", "on", "watts", "colour", "size", "places"]
    assert schema["properties"]["places"]["items"]["description"] == "Where it is."
    assert "description" not in schema
    value = {
        "name": "a", "on": True, "watts": 5, "colour": "blue", "size": "small",
        "places": [{"city": "Lima", "floor": 2}, {"city": "Quito"}], "tags": ["x"],
        "near": {"city": "Cusco"},
    }  # fmt: skip
    lamp = Form.of(Lamp).read(Reply(json.dumps(value), "stop", (), 1, 0, 1))
    assert lamp == Lamp(
        "a", True, 5.0, Colour.BLUE, "small", [Place("Lima", 2), Place("Quito")], ("x",),
        Place("Cusco"),
    )  # fmt: skip
    assert isinstance(lamp.watts, float)


@dataclass
class Node:
    children: list[Node]


@dataclass
class Odd:
    value: dict[str, int]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Node, "holds itself"),
        (Odd, r"Odd\.value"),
        (int, "dataclass"),
        ({"type": "object"}, "name them"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]}, "'b'"),
        ({"type": "array"}, "say what"),
        ({"type": "string", "pattern": "a+"}, "'pattern'"),
        ({"type": "string", "format": "email"}, "'date'"),
        ({"type": "string", "maxLength": -1}, "whole numbers in order"),
        ({"type": "string", "maxLength": 2001}, "up to 2,000"),
        ({"type": "integer", "minimum": 1}, "bounded from 0"),
        ({"type": "number", "minimum": 1}, "'minimum'"),
        ({"type": "text"}, "no type"),
        ({"title": "x"}, "no 'type'"),
        ({"enum": []}, "fits nothing"),
        ({"oneOf": [{"type": "null"}]}, "no 'type'"),
        ({"$ref": "http://example.org/x"}, "within this schema"),
        ({"$ref": "#/$defs/gone"}, "nothing at"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "nothing but itself"),
        ({"type": "object", "properties": {"a": []}}, r"schema\.a: this is no JSON Schema"),
    ],
)
def test_what_no_grammar_can_hold_is_refused(given: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        Form.of(given)


def test_a_schema_of_great_depth_is_refused() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        deep = {"type": "array", "items": deep}
    with pytest.raises(DataError, match="deeper"):
        grammars.from_schema(deep)


def test_an_answer_that_was_cut_is_no_value() -> None:
    form = Form.of({"type": "object", "properties": {"a": {"type": "string"}}})
    with pytest.raises(DataError, match="max_tokens"):
        form.read(Reply('{"a": "xx', "max_tokens", (), 1, 0, 7))
    with pytest.raises(DataError, match="no characters"):
        form.read(Reply('{"a": "\ufffd"}', "stop", (), 1, 0, 7))
    assert form.read(Reply('{"a": "x"}', "stop", (), 1, 0, 7)) == {"a": "x"}

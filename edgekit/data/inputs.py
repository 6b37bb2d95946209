"""What a model is given of a row: one text, or a pair of texts. Reads no file.

A pair is a premise and a hypothesis, a query and a passage: the model reads both at once, and
answers one question about the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Pair = tuple[str, str]
Input = str | Pair

BETWEEN = " · "
"""Put between the texts of a pair where people read them."""


def texts(given: Input) -> tuple[str, ...]:
    """The text, or both."""
    return (given,) if isinstance(given, str) else given


def all_texts(several: Iterable[Input]) -> list[str]:
    """The texts of all of them, one after the other."""
    return [text for given in several for text in texts(given)]


def shown(given: Input, most: int | None = None) -> str:
    """For people: both texts of a pair, each cut after `most` characters."""
    return BETWEEN.join(text[:most] for text in texts(given))


def from_json(value: Any) -> Input:
    """The inverse of writing as JSON, where a pair is a list; raises ValueError."""
    if isinstance(value, str):
        return value
    if not (isinstance(value, list) and len(value) == 2 and all(isinstance(x, str) for x in value)):
        raise ValueError(f"{value!r:.60} is neither a text nor a pair of texts")
    return (value[0], value[1])

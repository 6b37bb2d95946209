"""How every side of a bench appears to the process that started it (system/serving.py).

A side turns a string into an answer, tokenization included, and knows nothing of the other sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from edgekit.data.inputs import Input, from_json
from edgekit.system import machine
from edgekit.system.serving import Request, Verb

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answered:
    """A side's answer to one text."""

    answer: str
    tokens: int = 0
    """For a side that generates, the length of its answer in its own tokens."""
    first_ms: float | None = None
    """Time to the first words; None for sides that answer all at once."""


@dataclass(frozen=True, slots=True)
class Side:
    one: Callable[[Any], Answered]
    """The answer to a text, or to a pair of texts where the model takes pairs."""
    many: Callable[[Iterable[Any]], list[str]]
    """The answers to several texts, as fast as this side can."""


class Opened(Generic[T]):
    """One of the sides of a module, once `open` was called."""

    def __init__(self, sides: Mapping[str, Callable[..., T]]) -> None:
        self._sides = sides
        self.side: T

    def open(self, request: Request) -> dict[str, Any]:
        settings = dict(request["settings"])
        self.side = self._sides[request["side"]](Path(settings.pop("folder")), **settings)
        return {}


def verbs(sides: Mapping[str, Callable[..., Side]]) -> dict[str, Verb]:
    """The verbs of sides that answer texts."""
    opened = Opened(sides)

    def many(request: Request) -> dict[str, Any]:
        given = list(map(from_json, request["texts"]))
        began = time.perf_counter()
        opened.side.many(given)
        return {"seconds": time.perf_counter() - began}

    return {
        "open": opened.open,
        "one": lambda request: _measure(opened.side, list(map(from_json, request["texts"]))),
        "many": many,
        "usage": lambda request: {
            "cpu_ms": 1000 * time.process_time(),
            "peak_rss_bytes": machine.peak_rss_bytes(),
        },
    }


def _measure(side: Side, texts: list[Input]) -> dict[str, Any]:
    answered, wall, cpu = [], [], []
    for text in texts:
        began, cpu_began = time.perf_counter(), time.process_time()
        answered.append(side.one(text))
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - cpu_began))
    return {
        "answers": [one.answer for one in answered],
        "tokens": [one.tokens for one in answered],
        "first_ms": [one.first_ms for one in answered],
        "ms": wall,
        "cpu_ms": cpu,
    }

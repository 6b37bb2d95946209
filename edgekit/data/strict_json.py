"""JSON as its standard has it (RFC 8259), with each key once in an object. Knows no file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def parse(text: str, *, parse_float: Callable[[str], float] = float) -> Any:
    """Raises ValueError, or RecursionError where it is nested too deeply; NaN and Infinity, which
    Python reads, are no JSON."""
    return json.loads(
        text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=parse_float
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")

"""Reads and writes a tokenizer.json with every number spelled as it was. Knows no pieces.

The package tokenizers reads a number to within one unit in the last place, and which neighbour it
picks depends on the digits. Differences that small decide between two equally good ways to split a
text, so the digits must stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer


class Spelled(float):
    """A number that remembers its digits."""

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> Spelled:
        number = super().__new__(cls, digits)
        number.digits = digits
        return number


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text("utf-8"), parse_float=Spelled)
    return document


def text(document: Mapping[str, Any]) -> str:
    """The document as JSON; Unigram's scores, the only numbers that matter, keep their digits."""
    if document["model"].get("type") != "Unigram":
        return _dump(document)
    rest = {key: value for key, value in document.items() if key != "model"}
    model = {key: value for key, value in document["model"].items() if key != "vocab"}
    rows = ",".join(
        f"[{_dump(piece)},{getattr(score, 'digits', score)}]"
        for piece, score in document["model"]["vocab"]
    )
    return f'{_dump(rest)[:-1]},"model":{_dump(model)[:-1]},"vocab":[{rows}]}}}}'


def tokenizer(document: Mapping[str, Any]) -> Tokenizer:
    """A tokenizer that neither truncates nor pads."""
    made = Tokenizer.from_str(text(document))
    made.no_truncation()
    made.no_padding()
    return made


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

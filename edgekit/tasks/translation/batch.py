"""A table's texts, translated: the columns of their answers. Knows no table and no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.contract import Batch, Kind, known_options

COLUMNS: Mapping[str, Kind] = {
    "translation": "text",
    "from": "text",
    "to": "text",
    "parts_read": "integer",
    "parts": "integer",
    "warnings": "text",
}
OPTIONS: Mapping[str, type] = {"to": str, "from_": str}


def bind(options: Mapping[str, Any]) -> Batch:
    """With `to` and `from_`, where the artifact has several languages."""
    known_options(options, OPTIONS, "a translator")

    def translate(model: Any, text: str) -> Mapping[str, Any]:
        found = model.translate(text, **options)
        return {
            "translation": found.text,
            "from": found.source,
            "to": found.target,
            "parts_read": found.parts_read,
            "parts": found.parts,
            "warnings": " ".join(found.warnings),
        }

    return Batch(columns=COLUMNS, answer=translate, side_by_side=False)

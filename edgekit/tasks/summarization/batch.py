"""A table's texts, summarized: the columns of their answers. Knows no table and no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.contract import Batch, Kind, known_options

COLUMNS: Mapping[str, Kind] = {
    "summary": "text",
    "parts_read": "integer",
    "parts": "integer",
    "summary_language": "text",
    "warnings": "text",
}
OPTIONS: Mapping[str, type] = {"words": int}


def bind(options: Mapping[str, Any]) -> Batch:
    """With `words`, of which the artifact has its own number."""
    known_options(options, OPTIONS, "a summarizer")

    def summarize(model: Any, text: str) -> Mapping[str, Any]:
        found = model.summarize(text, **options)
        return {
            "summary": found.text,
            "parts_read": found.parts_read,
            "parts": found.parts,
            "summary_language": found.language,
            "warnings": " ".join(found.warnings),
        }

    return Batch(columns=COLUMNS, answer=summarize, side_by_side=False)

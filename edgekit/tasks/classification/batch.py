"""A table's texts, labelled: the columns of their answers. Knows no table and no engine."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from edgekit.data import label_sets
from edgekit.tasks.classification.answer import Answer
from edgekit.tasks.contract import Batch, Kind, known_options

COLUMNS: Mapping[str, Kind] = {
    "label": "text",
    "score": "number",
    "abstained": "boolean",
    "parts": "integer",
}
OPTIONS: Mapping[str, type] = {"abstain_below": Real}


def bind(options: Mapping[str, Any]) -> Batch:
    """With `abstain_below`, of which the artifact has its own."""
    known_options(options, OPTIONS, "a classifier")

    def label(model: Any, text: str) -> Mapping[str, Any]:
        return as_columns(model.classify(text, **options))

    return Batch(columns=COLUMNS, answer=label, side_by_side=True)


def as_columns(answer: Answer) -> Mapping[str, Any]:
    """Several labels are written as `a|b`; a score has as many digits as in a labelled file."""
    return {
        "label": label_sets.written(answer.labels),
        "score": round(answer.score, 6),
        "abstained": answer.abstained,
        "parts": answer.parts,
    }

"""The labels of texts that may have several: `a|b` in a text, or a list. Knows no model."""

from __future__ import annotations

from typing import Any

from edgekit.data.records import Record
from edgekit.errors import DataError

COLUMN = "labels"
BETWEEN = "|"
"""Stands between two labels in a text."""


def has(record: Record, label: str) -> bool:
    """Whether a record has several labels, in COLUMN, and not one in the column `label`."""
    return COLUMN in record and label not in record


def read(record: Record, place: str) -> tuple[str, ...]:
    """All labels of a record, in its own order; none where there are none."""
    labels = _split(record[COLUMN], place)
    if len(set(labels)) != len(labels):
        raise DataError(f"{place}: column '{COLUMN}' names a label twice; name each once.")
    return labels


def written(labels: tuple[str, ...]) -> str:
    """The labels as one text, as `read` reads them."""
    return BETWEEN.join(labels)


def _split(value: Any, place: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.split(BETWEEN) if value.strip() else []
    if isinstance(value, list) and all(_is_label(one) for one in value):
        return tuple(str(one).strip() for one in value)
    raise DataError(
        f"{place}: column '{COLUMN}' must be a text such as 'heat{BETWEEN}light' or a list of "
        "labels, empty where the text has none; mend it."
    )


def _is_label(value: Any) -> bool:
    """Labels are often numbers; a boolean or a fraction would be a column of scores."""
    if isinstance(value, str):
        # With the sign between two labels, a written list could not be read again.
        return bool(value.strip()) and BETWEEN not in value
    return isinstance(value, int) and not isinstance(value, bool)

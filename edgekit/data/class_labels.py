"""The names of integer labels that a Parquet file's schema knows. Reads no rows itself.

Hugging Face's `datasets` writes a column of the type ClassLabel as integers, and its names into the
schema's metadata: {"info": {"features": {"label": {"_type": "ClassLabel", "names": […]}}}}.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.data.reading import AS_FOUND, Reading
from edgekit.data.records import Placed, open_parquet, placed_records
from edgekit.errors import DataError

_KEY = b"huggingface"
_UNKNOWN = -1
"""What `datasets` writes for a row without a label."""


def named_records(path: Path, reading: Reading = AS_FOUND) -> Iterator[Placed]:
    """`placed_records`, with the names of integer labels in their place. Raises DataError."""
    names = class_names(path) if path.suffix.lower() == ".parquet" else {}
    for place, record in placed_records(path, reading):
        for column, known in names.items():
            record[column] = _named(record.get(column), known, f"{place}: column '{column}'")
        yield place, record


def class_names(path: Path) -> dict[str, tuple[str, ...]]:
    """By column of a Parquet file, the names of its classes in the order of their numbers."""
    with open_parquet(path) as file:
        metadata: Mapping[bytes, bytes] = file.schema_arrow.metadata or {}
    try:
        features = json.loads(metadata.get(_KEY, b"{}"))["info"]["features"]
        found = {column: _names(feature) for column, feature in features.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # another program's metadata, or none
    return {column: names for column, names in found.items() if names}


def _names(feature: Any) -> tuple[str, ...]:
    """The names of a ClassLabel, also of a list of them; none for every other type."""
    if isinstance(feature, list) and feature:
        return _names(feature[0])
    if not isinstance(feature, Mapping):
        return ()
    if feature.get("_type") == "ClassLabel":
        return tuple(str(name) for name in feature.get("names") or ())
    return _names(feature.get("feature"))


def _named(value: Any, names: Sequence[str], place: str) -> Any:
    if isinstance(value, list):
        return [_named(one, names, place) for one in value]
    if not isinstance(value, int) or isinstance(value, bool) or value == _UNKNOWN:
        return None if value == _UNKNOWN else value
    if not 0 <= value < len(names):
        raise DataError(
            f"{place} is {value}, and the file's schema names the classes 0 to {len(names) - 1}; "
            "write the file again with the names that it uses."
        )
    return names[value]

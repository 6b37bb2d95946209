"""Records on their way into a file: JSON lines beside it. Knows no format but that."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from edgekit.data.reading import AS_FOUND, Reading
from edgekit.data.records import Record
from edgekit.errors import DataError


@dataclass(frozen=True, slots=True)
class Original:
    """The file that the records were read from."""

    path: Path
    reading: Reading = AS_FOUND
    changed: frozenset[str] = frozenset()
    """Columns whose values are the records', not the file's."""
    rows: Sequence[int] | None = None
    """The numbers, from 1, of its records that are written; all of them unless given."""

    def changed_since(self) -> DataError:
        return DataError(
            f"{self.path}: the file has changed since; label it again, or name the new file .csv."
        )


def partial_of(path: Path) -> Path:
    """Where the records of `path` are kept until all are written."""
    return path.with_name(path.name + ".partial")


def keep_whole_lines(partial: Path) -> int:
    """Cuts off what a kill or power cut left unfinished; returns the number of records left."""
    if not partial.exists():
        return 0
    count = end = 0
    with partial.open("rb+") as stream:
        for line in stream:
            if not _is_whole(line):
                break
            count += 1
            end += len(line)
        stream.truncate(end)
    return count


def _is_whole(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def as_text(value: Any) -> str:
    """Parquet has types that JSON lacks; times and decimals have one clear text form each."""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, Decimal):
        return str(value)
    raise DataError(
        f"A column holds values of type {type(value).__name__}, which cannot be written as text; "
        "leave that column out of the input."
    )


def records_of(partial: Path) -> Iterator[Record]:
    with partial.open("rb") as stream:
        for line in stream:
            yield json.loads(line)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def names_of(partial: Path) -> list[str]:
    """Every column of every record, in order of appearance."""
    names: dict[str, None] = {}
    for record in records_of(partial):
        names.update(dict.fromkeys(record))
    return list(names)

"""Texts as they come: lines from a stream, or files that appear in a folder. Knows no model."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from edgekit.data.records import READERS, Record, placed_records, read_lines, unguessed
from edgekit.errors import DataError

TEXT = "text"
EVERY_SECONDS = 1.0
"""How often a folder is looked at."""


@dataclass(frozen=True, slots=True)
class Columns:
    text: str = TEXT
    language: str = "language"
    source: str = "source"
    time: str = "time"


@dataclass(frozen=True, slots=True)
class Incoming:
    text: str
    place: str
    """Where it was read, for messages."""
    language: str | None
    source: str | None
    at: float
    """When it was written, in seconds since 1970; when it was read unless the record says."""


def from_stream(stream: IO[str], columns: Columns) -> Iterator[Incoming | DataError]:
    """A text or a JSON object on each line; blank lines are passed over."""
    for number, line in enumerate(stream, start=1):
        if line.strip():
            yield _incoming(_record(line, columns), f"line {number}", "-", columns)


def from_path(
    path: Path, columns: Columns, *, follow: bool, idle: Callable[[], None] = lambda: None
) -> Iterator[Incoming | DataError]:
    """The records of a file, or of all files of a folder by name; with `follow`, of those that come
    later too, without end. A file is read once: it has to be whole when it appears.

    `idle` is called whenever there is nothing to read.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder; check the path.")
    if not path.is_dir():
        yield from _from_file(path, columns)
        return
    read: set[Path] = set()
    while True:
        # Names that begin with a dot are files that are still being written.
        there = sorted(one for one in path.iterdir() if one.is_file() and one.name[0] != ".")
        for file in there:
            if file not in read:
                read.add(file)
                yield from _from_file(file, columns)
        if not follow:
            return
        idle()
        time.sleep(EVERY_SECONDS)


def _from_file(path: Path, columns: Columns) -> Iterator[Incoming | DataError]:
    try:
        for place, record in _placed(path, columns):
            yield _incoming(record, place, path.name, columns)
    except DataError as error:
        yield error


def _placed(path: Path, columns: Columns) -> Iterator[tuple[str, Record]]:
    # Nobody would see that the encoding of a file was guessed.
    reading = unguessed(path)
    if path.suffix.lower() in READERS:
        yield from placed_records(path, reading)
        return
    for number, line in read_lines(path, reading):
        if line.strip():
            yield f"{path}:{number}", {columns.text: line.strip()}


def _record(line: str, columns: Columns) -> Record:
    if line.lstrip().startswith("{"):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None  # a text that begins so
        if isinstance(found, dict):
            return found
    return {columns.text: line.strip()}


def _incoming(record: Record, place: str, source: str, columns: Columns) -> Incoming | DataError:
    text = record.get(columns.text)
    if not isinstance(text, str) or not text.strip():
        return DataError(f"{place}: there is no text in '{columns.text}'.")
    at = _at(record.get(columns.time))
    if at is None:
        return DataError(
            f"{place}: '{columns.time}' must be seconds since 1970 or like 2026-01-31T12:00:00Z."
        )
    return Incoming(
        text=text,
        place=place,
        language=_word(record.get(columns.language)),
        source=_word(record.get(columns.source)) or source,
        at=at,
    )


def _word(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and str(value).strip() else None


def _at(value: object) -> float | None:
    """None for what is no time."""
    if value is None or value == "":
        return time.time()
    if isinstance(value, datetime):
        return value.timestamp()
    with suppress(ValueError):
        seconds = float(str(value))
        return seconds if math.isfinite(seconds) else None
    with suppress(ValueError):
        return datetime.fromisoformat(str(value)).timestamp()
    return None

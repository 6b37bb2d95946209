"""Rows and plain texts, read from files. Knows nothing of models or metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.errors import DataError
from edgekit.nearest import did_you_mean
from edgekit.tasks.records import READERS, Record, cell, placed_records, read_lines, stream_records
from edgekit.tasks.writing import RecordWriter

__all__ = [
    "Columns",
    "Message",
    "RecordWriter",
    "Row",
    "read_documents",
    "read_rows",
    "read_texts",
    "stream_records",
]

Message = Mapping[str, str]
"""One turn of a conversation: `role` and `content`."""


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    label: str | None = None
    language: str | None = None
    group: str | None = None
    """Rows of one group belong together (one template, one patient); None is a group of its own."""
    slices: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()
    """A conversation, whose contents `text` holds line by line; empty for a plain text."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file calls the fields of a row."""

    text: str = "text"
    label: str = "label"
    language: str = "language"
    group: str = "group"
    messages: str = "messages"


def read_rows(path: Path, *, columns: Columns = Columns(), slices: Sequence[str] = ()) -> list[Row]:
    """Every row of a labelled file, for training or judging.

    The columns of text and label must be there and filled, those of language and group may be
    missing or empty; `slices` are further columns to keep, which must be there. Raises DataError.
    """
    rows = []
    for place, record in placed_records(path):
        rows.append(
            Row(
                text=_filled(record, columns.text, place),
                label=_filled(record, columns.label, place),
                language=_optional(record, columns.language, place),
                group=_optional(record, columns.group, place),
                slices=_slices(record, slices, place),
            )
        )
    return rows


def read_documents(
    path: Path, *, columns: Columns = Columns(), slices: Sequence[str] = ()
) -> list[Row]:
    """Every row of a file for a language model: a text, or a conversation in `messages`.

    `messages` is a list of {role, content}, in a CSV file as JSON. The other columns are those of
    `read_rows`; a label is not needed and not read. Raises DataError.
    """
    rows = []
    for place, record in placed_records(path):
        messages = _messages(record, columns.messages, place)
        text = "\n".join(turn["content"] for turn in messages)
        rows.append(
            Row(
                text=text if messages else _filled(record, columns.text, place),
                language=_optional(record, columns.language, place),
                group=_optional(record, columns.group, place),
                slices=_slices(record, slices, place),
                messages=messages,
            )
        )
    return rows


def _messages(record: Record, column: str, place: str) -> tuple[Message, ...]:
    """The turns of a conversation; none where the record has no such column, or it is empty."""
    value = record.get(column)
    if value is None or value == "":
        return ()
    try:
        turns = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise DataError(f"{place}: column '{column}' is not JSON ({error}); mend it.") from error
    if not (isinstance(turns, list) and turns and all(map(_is_turn, turns))):
        raise DataError(
            f"{place}: column '{column}' must be a list of turns such as "
            '[{"role": "user", "content": "…"}]; mend it.'
        )
    return tuple({"role": turn["role"], "content": turn["content"]} for turn in turns)


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, dict) and all(
        isinstance(turn.get(key), str) and turn[key].strip() for key in ("role", "content")
    )


def read_texts(paths: Iterable[Path], *, column: str = "text") -> Iterator[str]:
    """Unlabelled texts: one a line from text files (blank lines are no texts), else `column`."""
    for path in paths:
        if path.suffix.lower() in READERS:
            for place, record in placed_records(path):
                yield _filled(record, column, place)
        else:
            yield from _text_lines(path)


def _text_lines(path: Path) -> Iterator[str]:
    empty = True
    for _, line in read_lines(path):
        if text := line.strip():
            empty = False
            yield text
    if empty:
        raise DataError(f"{path}: the file is empty; it needs at least one text, one a line.")


def _filled(record: Record, column: str, place: str) -> str:
    value = _text(record, column, place)
    if not value.strip():
        raise DataError(f"{place}: column '{column}' is empty; fill it or remove the row.")
    return value


def _optional(record: Record, column: str, place: str) -> str | None:
    if record.get(column) is None:
        return None
    return _text(record, column, place) or None


def _slices(record: Record, names: Sequence[str], place: str) -> dict[str, str]:
    found = {}
    for name in names:
        if name not in record:
            raise DataError(
                f"{place}: there is no column '{name}'.{did_you_mean(name, list(record))}"
            )
        value = _optional(record, name, place)
        if value is not None:
            found[name] = value
    return found


def _text(record: Record, column: str, place: str) -> str:
    """Labels and groups are often numbered; whole numbers are taken as their digits."""
    value = record.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return cell(record, column, place)

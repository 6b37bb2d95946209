"""Where records go in a copy of the workbook that they came from. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.data import sheets
from edgekit.data.partial import Original, names_of, records_of
from edgekit.data.records import Record
from edgekit.errors import DataError

MOST_CELLS = 2_000_000
"""A copy takes about 700 bytes of memory for each."""


@dataclass(frozen=True, slots=True)
class Copy:
    sheet: str
    header: int
    """The row that names the columns; rows are numbered from 1."""
    width: int
    """How many columns there are."""
    added: tuple[str, ...]
    """The names of those that come behind."""
    rows: Mapping[int, Record]
    """By row, what stands there."""
    gone: frozenset[int]
    """Rows that are left out."""


def placed(partial: Path, original: Original) -> Copy:
    """Raises DataError where the workbook is not what it was when the records were read."""
    sheet = sheets.read(original.path, original.reading)
    if sheet.header is None:
        raise original.changed_since()
    rows = list(sheet.rows)
    numbers = original.rows if original.rows is not None else range(1, len(rows) + 1)
    chosen = [rows[number - 1] for number in numbers if number <= len(rows)]
    records = list(records_of(partial))
    same = len(records) == len(chosen) and all(
        record.get(name) == value
        for (row, fields), record in zip(chosen, records, strict=True)
        for name, value in sheet.header.record(fields, f"row {row}", loose=True).items()
    )
    if not same:
        raise original.changed_since()
    own = sheet.header.all_names()
    width = max([len(own), *(len(fields) for _, fields in rows)])
    if width * len(rows) > MOST_CELLS:
        raise DataError(
            f"{original.path}: {len(rows):,} rows are too many to be copied as a workbook here; "
            "name the new file .csv."
        )
    read = {*own, *(f"column {sheets.letters(at)}" for at in range(len(own), width))}
    kept = {row: record for (row, _), record in zip(chosen, records, strict=True)}
    return Copy(
        sheet=sheet.form.sheet or "",
        header=sheet.form.header,
        width=width,
        added=tuple(name for name in names_of(partial) if name not in read),
        rows=kept,
        gone=frozenset(row for row, _ in rows) - kept.keys(),
    )

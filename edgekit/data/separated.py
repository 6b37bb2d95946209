"""Tables as text: CSV in all the forms that spreadsheets write. Knows nothing of what columns mean.

Delimiters are , ; tab and |, told from the first rows unless the first line is Excel's `sep=;`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from edgekit.data.encodings import MAX_LINE, Encoding, Lines
from edgekit.data.header import ROWS, Header, header_at
from edgekit.data.reading import AS_FOUND, Form, Reading
from edgekit.data.refusals import told
from edgekit.errors import DataError

DELIMITERS = ",;\t|"
_DECLARED = re.compile(r"sep=(.)(\r\n|\r|\n)?", re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d+,\d+")
_POINT = re.compile(r"[+-]?\d+\.\d+")
_SAMPLE_LINES, _SAMPLE_LETTERS = 200, 1_000_000

Records = Iterator[tuple[str, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A table's form, and its records with their places."""

    form: Form
    records: Records


def opened(
    numbered: Lines,
    name: str,
    *,
    encoding: Encoding,
    reading: Reading = AS_FOUND,
    delimiters: str = DELIMITERS,
) -> Opened:
    """Raises DataError; that of a row when its record is asked for."""
    # The csv module's limit, 128 kB a field, is global to the process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    sample, whole = beginning(numbered)
    said = _DECLARED.fullmatch(sample[0]) if sample else None
    declared = said[1] if said is not None and said[1] in DELIMITERS else None
    skipped = 0 if declared is None else 1
    del sample[:skipped]
    delimiter = declared or _delimiter(sample, delimiters, whole=whole)
    rows = _sampled(sample, delimiter, whole=whole)
    lines = chain(sample, (line for _, line in numbered))
    placed = _rows(lines, delimiter, name, first=1 + skipped)
    titles: list[tuple[str, ...]] = []
    above = header_at(rows)
    found: tuple[int, list[str]] | None = None
    for line, fields in placed:
        at_header = len(titles) == above if reading.header is None else line >= reading.header
        if at_header:
            found = line, fields
            break
        titles.append(tuple(fields))
    if found is None:
        if reading.header is not None:
            raise DataError(told("no-header-line", {"path": name, "line": reading.header}))
        return Opened(Form(encoding=encoding, delimiter=delimiter), iter(()))
    header = Header(found[1], f"{name}:{found[0]}")
    first = next((line for line in sample if line.strip()), "")
    cells = [cell for row in rows[above + 1 :] for cell in row]
    form = Form(
        header=found[0],
        titles=tuple(titles),
        columns=header.cells,
        encoding=encoding,
        delimiter=delimiter,
        declared=declared is not None,
        line_end=_line_end(first),
        quoted=_all_quoted(sample, above, delimiter),
        decimal_comma=sum(bool(_COMMA.fullmatch(cell)) for cell in cells)
        > sum(bool(_POINT.fullmatch(cell)) for cell in cells),
    )
    return Opened(form, _records(placed, header, name))


def beginning(numbered: Lines) -> tuple[list[str], bool]:
    """The first lines of a file, and whether they are all."""
    found: list[str] = []
    letters = 0
    for _, line in numbered:
        found.append(line)
        letters += len(line)
        if len(found) == _SAMPLE_LINES or letters > _SAMPLE_LETTERS:
            return found, False
    return found, True


def _rows(
    lines: Iterator[str], delimiter: str, name: str, *, first: int
) -> Iterator[tuple[int, list[str]]]:
    """The fields of each row, with the line that it begins on."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    line = first
    try:
        for fields in reader:
            yield line, fields
            line = first + reader.line_num
    except csv.Error as error:
        raise DataError(told("not-csv", {"path": name, "line": line, "reason": error})) from error


def _records(rows: Iterator[tuple[int, list[str]]], header: Header, name: str) -> Records:
    blanks: list[str] = []
    for line, fields in rows:
        place = f"{name}:{line}"
        if not fields:
            blanks.append(place)
            continue
        # In a file of one column a blank line is a record, except at the end.
        if len(header.cells) == 1:
            yield from ((blank, {header.names[0]: ""}) for blank in blanks)
        blanks.clear()
        yield place, header.record(fields, place)


def is_table(lines: Sequence[str], *, whole: bool) -> bool:
    """Whether lines of text are rows with tabs between their fields, all of one width."""
    rows = [row for row in _sampled(lines, "\t", whole=whole) if row]
    return len(rows) > 1 and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows)


def _delimiter(lines: Sequence[str], delimiters: str, *, whole: bool) -> str:
    """The one by which most rows are as wide as the header; of equals, that with fewer titles."""
    if len(delimiters) == 1:
        return delimiters
    found = []
    for order, delimiter in enumerate(delimiters):
        rows = _sampled(lines, delimiter, whole=whole)
        above = header_at(rows)
        if len(rows) <= above or len(rows[above]) < 2:
            continue
        below = [row for row in rows[above + 1 :] if row]
        same = sum(len(row) == len(rows[above]) for row in below) / max(1, len(below))
        found.append((2 * same < 1 and bool(below), above, -same, order, delimiter))
    return min(found)[-1] if found else delimiters[0]


def _sampled(lines: Sequence[str], delimiter: str, *, whole: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            rows.append(row)
    except csv.Error:
        return rows
    # Where more lines follow, the last row may end on one of them.
    return (rows if whole else rows[:-1])[:ROWS]


def _line_end(line: str) -> str:
    return next((end for end in ("\r\n", "\n", "\r") if line.endswith(end)), "\r\n")


def _all_quoted(lines: Sequence[str], above: int, delimiter: str) -> bool:
    line = lines[above].strip() if above < len(lines) else ""
    return line.startswith('"') and line.endswith('"') and (
        line.count(delimiter) == line.count(f'"{delimiter}"')
    )  # fmt: skip

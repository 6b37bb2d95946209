"""Reads files of records, one record at a time. Knows nothing of what the columns mean.

The suffix decides the format: .csv and .tsv, .jsonl, .parquet. Reading is strict: whatever cannot
be read exactly is a DataError that names the place, and no record is skipped.
"""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from edgekit.data import strict_json
from edgekit.errors import DataError, MissingExtra
from edgekit.wording.suggestions import did_you_mean

MAX_LINE_BYTES = 10_000_000
BATCH_ROWS = 1024

Record = dict[str, Any]
Placed = tuple[str, Record]
"""A record and the place that it was read from, as `file:line`."""
Lines = Iterator[tuple[int, str]]


def stream_records(path: Path, *, column: str | None = None) -> Iterator[Record]:
    """The records of a file in order, in bounded memory, every column kept.

    Values are strings from CSV, JSON values from JSONL, Python values from Parquet. With `column`,
    each record is checked to have a string there (which may be empty).
    """
    for place, record in placed_records(path):
        if column is not None:
            cell(record, column, place)
        yield record


def placed_records(path: Path) -> Iterator[Placed]:
    """The records of a file, each with its place, for messages."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path}: '{path.suffix}' is no format that edgekit reads; "
            f"save the file as one of {', '.join(READERS)}."
        )
    yield from _some(reader(path), str(path))


def records_in(data: bytes, name: str) -> Iterator[Placed]:
    """`placed_records` of a file's bytes, whose `name` ends with one of TEXTUAL."""
    reader = TEXTUAL[Path(name).suffix.lower()]
    yield from _some(reader(_numbered(BytesIO(data), name), name), name)


def _some(records: Iterator[Placed], name: str) -> Iterator[Placed]:
    empty = True
    for placed in records:
        empty = False
        yield placed
    if empty:
        raise DataError(f"{name}: the file is empty; it needs at least one record.")


def cell(record: Record, column: str, place: str) -> str:
    """The string in a column of a record."""
    if column not in record:
        raise DataError(
            f"{place}: there is no column '{column}'.{did_you_mean(column, list(record))}"
        )
    value = record[column]
    if not isinstance(value, str):
        kind = "empty" if value is None else type(value).__name__
        raise DataError(
            f"{place}: column '{column}' must be text, but is {kind}; make it a string."
        )
    return value


def read_lines(path: Path) -> Lines:
    """The lines of a UTF-8 file, numbered from 1, line ends kept; a leading BOM is dropped."""
    try:
        with path.open("rb") as stream:
            yield from _numbered(stream, str(path))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; check the path.") from error


def _numbered(stream: IO[bytes], name: str) -> Lines:
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        yield number, _decode(line, f"{name}:{number}", first=number == 1)


def _decode(line: bytes, place: str, *, first: bool) -> str:
    if first and line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{place}: the file is UTF-16; save it as UTF-8.")
    if len(line) > MAX_LINE_BYTES:
        raise DataError(f"{place}: the line is over 10 MB; split it into lines of one record each.")
    if b"\0" in line:
        raise DataError(f"{place}: the line has a NUL byte; save the file as plain UTF-8 text.")
    try:
        return line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{place}: byte {error.start + 1} of the line (0x{line[error.start]:02x}) "
            "is not UTF-8; save the whole file as UTF-8."
        ) from error


def _from_csv(numbered: Lines, name: str) -> Iterator[Placed]:
    first = next(numbered, (0, ""))[1]
    # Spreadsheets write semicolons in locales where the comma is the decimal sign.
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")
    yield from _csv_records(name, _rejoin(first, numbered), delimiter)


def _from_tsv(numbered: Lines, name: str) -> Iterator[Placed]:
    first = next(numbered, (0, ""))[1]
    yield from _csv_records(name, _rejoin(first, numbered), "\t")


def _rejoin(first: str, rest: Lines) -> Iterator[str]:
    if first:
        yield first
    for _, line in rest:
        yield line


def _csv_records(name: str, lines: Iterator[str], delimiter: str) -> Iterator[Placed]:
    # The csv module's limit, 128 kB a field, is global to the process; it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    names: list[str] | None = None
    blanks: list[str] = []
    place = f"{name}:1"
    try:
        for fields in reader:
            if names is None:
                names = _checked_names(fields, place)
            elif not fields:
                blanks.append(place)
            else:
                # In a file of one column a blank line is a record, except at the end.
                if len(names) == 1:
                    yield from ((blank, {names[0]: ""}) for blank in blanks)
                blanks.clear()
                yield place, _csv_record(names, fields, place)
            place = f"{name}:{reader.line_num + 1}"
    except csv.Error as error:
        raise DataError(
            f"{place}: this is not CSV as it should be ({error}); "
            'put text with commas, quotes or line breaks in "double quotes".'
        ) from error


def _checked_names(fields: list[str], place: str) -> list[str]:
    if not fields:
        raise DataError(f"{place}: the first line is blank; it must name the columns.")
    twice = next((name for name in fields if fields.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{place}: the column '{twice}' is there twice; rename one of them.")
    return fields


def _csv_record(names: list[str], fields: list[str], place: str) -> Record:
    if len(fields) != len(names):
        raise DataError(
            f"{place}: {len(fields)} fields, but the first line names {len(names)} columns; "
            'put text with commas in "double quotes".'
        )
    return dict(zip(names, fields, strict=True))


def _from_jsonl(numbered: Lines, name: str) -> Iterator[Placed]:
    for number, line in numbered:
        place = f"{name}:{number}"
        if line.strip():
            yield place, _json_record(line, place)
        else:
            raise DataError(f"{place}: the line is blank; JSONL has one object on every line.")


def _json_record(line: str, place: str) -> Record:
    try:
        record = strict_json.parse(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: this is not a JSON object on one line ({error}).") from error
    if not isinstance(record, dict):
        raise DataError(f'{place}: a line must be an object such as {{"text": "…"}}.')
    try:
        json.dumps(record, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{place}: half of a character (a lone surrogate); remove it.") from error
    if any("\0" in value for value in record.values() if isinstance(value, str)):
        raise DataError(f"{place}: the text has a NUL character; remove it.")
    return record


def require_pyarrow() -> None:
    if importlib.util.find_spec("pyarrow") is None:
        raise MissingExtra("pyarrow", "files")


def open_parquet(path: Path) -> Any:
    """A pyarrow.parquet.ParquetFile."""
    require_pyarrow()
    import pyarrow as pa  # an extra, and slow to import
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; check the path.") from error
    except pa.ArrowException as error:
        raise DataError(f"{path}: this is not a whole Parquet file ({error}).") from error


def _read_parquet(path: Path) -> Iterator[Placed]:
    with open_parquet(path) as file:
        number = 0
        try:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for record in batch.to_pylist():
                    number += 1
                    place = f"{path}: row {number}"
                    if any("\0" in value for value in record.values() if isinstance(value, str)):
                        raise DataError(f"{place}: the text has a NUL character; remove it.")
                    yield place, record
        except (OSError, UnicodeDecodeError, ValueError) as error:
            # pyarrow's own errors are subclasses of OSError and ValueError.
            raise DataError(
                f"{path}: the file is damaged after row {number} ({error}); make it again."
            ) from error


TEXTUAL: dict[str, Callable[[Lines, str], Iterator[Placed]]] = {
    ".csv": _from_csv,
    ".tsv": _from_tsv,
    ".jsonl": _from_jsonl,
}
"""The formats that are read line by line: each takes the lines of a file, and its name."""


def _textual(path: Path) -> Iterator[Placed]:
    yield from TEXTUAL[path.suffix.lower()](read_lines(path), str(path))


READERS: dict[str, Callable[[Path], Iterator[Placed]]] = {
    **dict.fromkeys(TEXTUAL, _textual),
    ".parquet": _read_parquet,
}

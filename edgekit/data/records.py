"""Reads files of records, one record at a time. Knows nothing of what the columns mean.

The suffix decides the format: .csv, .tsv and .txt (data/separated.py), .xlsx and .ods
(data/sheets.py), .jsonl, .parquet. Reading is strict: whatever cannot
be read exactly is a DataError that names the place, and no record is skipped.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from edgekit.data import encodings, separated, sheets, strict_json
from edgekit.data.encodings import Encoding, Lines
from edgekit.data.reading import AS_FOUND, Form, Reading
from edgekit.data.refusals import told
from edgekit.data.separated import Opened
from edgekit.errors import DataError, MissingExtra
from edgekit.wording.suggestions import did_you_mean

BATCH_ROWS = 1024
TEXT = "text"
"""The column of a file that has a text a line."""

Record = dict[str, Any]
Placed = tuple[str, Record]
"""A record and the place that it was read from, as `file:line`."""


def stream_records(
    path: Path, *, column: str | None = None, reading: Reading = AS_FOUND
) -> Iterator[Record]:
    """The records of a file in order, in bounded memory, every column kept.

    Values are strings from CSV and from workbooks, JSON values from JSONL, Python values from
    Parquet; a `.txt` without columns has its lines in the column `text`. With `column`,
    each record is checked to have a string there (which may be empty).
    """
    for place, record in placed_records(path, reading):
        if column is not None:
            cell(record, column, place)
        yield record


def placed_records(path: Path, reading: Reading = AS_FOUND) -> Iterator[Placed]:
    """The records of a file, each with its place, for messages."""
    if path.suffix.lower() not in TABLES:
        raise DataError(
            told(
                "no-format-read",
                {"path": path, "suffix": path.suffix, "suffixes": ", ".join(TABLES)},
            )
        )
    yield from _some(_read(path, reading), str(path))


def records_in(data: bytes, name: str) -> Iterator[Placed]:
    """`placed_records` of a file's bytes, whose `name` ends with one of TEXTUAL.

    Its encoding is never guessed: nobody would see the guess."""
    stream = BytesIO(data)
    reading = Reading(encoding=encodings.certain_in(stream, name).codec)
    yield from _some(_textual(stream, name, reading, Path(name).suffix.lower()), name)


def _some(records: Iterator[Placed], name: str) -> Iterator[Placed]:
    empty = True
    for placed in records:
        empty = False
        yield placed
    if empty:
        raise DataError(told("file-empty", {"name": name}))


def cell(record: Record, column: str, place: str) -> str:
    """The string in a column of a record."""
    if column not in record:
        raise DataError(
            told(
                "no-column",
                {"place": place, "column": column, "hint": did_you_mean(column, list(record))},
            )
        )
    value = record[column]
    if not isinstance(value, str):
        kind = "empty" if value is None else type(value).__name__
        raise DataError(told("not-text", {"place": place, "column": column, "kind": kind}))
    return value


def read_lines(path: Path, reading: Reading = AS_FOUND) -> Lines:
    """The lines of a text file, numbered from 1, line ends kept; a leading BOM is dropped."""
    with _opened(path) as stream:
        yield from encodings.lines(stream, _encoding(stream, str(path), reading), str(path))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        stream = path.open("rb")
    except OSError as error:
        raise DataError(told("cannot-open", {"path": path, "reason": error.strerror})) from error
    with stream:
        try:
            yield stream
        except OSError as error:
            raise DataError(
                told("cannot-open", {"path": path, "reason": error.strerror})
            ) from error


def _encoding(stream: IO[bytes], name: str, reading: Reading) -> Encoding:
    if reading.encoding is not None:
        return encodings.named(reading.encoding)
    return encodings.found_in(stream, name)


def unguessed(path: Path) -> Reading:
    """How a text file is read where nobody sees a guess: by its BOM, else as UTF-8."""
    if path.suffix.lower() in (".parquet", *sheets.SUFFIXES):
        return AS_FOUND
    with _opened(path) as stream:
        return Reading(encoding=encodings.said_in(stream).codec)


def form_of(path: Path, reading: Reading = AS_FOUND) -> Form:
    """How a table is written; of a format that has one form, the plain one. Raises DataError."""
    suffix = path.suffix.lower()
    if suffix in sheets.SUFFIXES:
        return sheets.opened(path, reading).form
    if suffix not in (*_SEPARATED, PLAIN):
        return Form()
    with _opened(path) as stream:
        table = _table(stream, str(path), reading, suffix)
        return Form(encoding=_encoding(stream, str(path), reading)) if table is None else table.form


def _table(stream: IO[bytes], name: str, reading: Reading, suffix: str) -> Opened | None:
    """The table in a text file; None for a `.txt` of lines without columns."""
    encoding = _encoding(stream, name, reading)
    if suffix == PLAIN:
        sample, whole = separated.beginning(encodings.lines(stream, encoding, name))
        if not separated.is_table(sample, whole=whole):
            return None
    return separated.opened(
        encodings.lines(stream, encoding, name), name,
        encoding=encoding, reading=reading, delimiters=_SEPARATED.get(suffix, "\t"),
    )  # fmt: skip


def _from_lines(stream: IO[bytes], name: str, reading: Reading) -> Iterator[Placed]:
    """A text a line; blank ones are passed over."""
    for number, line in encodings.lines(stream, _encoding(stream, name, reading), name):
        if text := line.strip():
            yield f"{name}:{number}", {TEXT: text}


def _from_jsonl(numbered: Lines, name: str) -> Iterator[Placed]:
    for number, line in numbered:
        place = f"{name}:{number}"
        if line.strip():
            yield place, _json_record(line, place)
        else:
            raise DataError(told("jsonl-blank", {"place": place}))


def _json_record(line: str, place: str) -> Record:
    try:
        record = strict_json.parse(line)
    except (ValueError, RecursionError) as error:
        raise DataError(told("jsonl-no-object", {"place": place, "reason": error})) from error
    if not isinstance(record, dict):
        raise DataError(told("jsonl-no-mapping", {"place": place}))
    try:
        json.dumps(record, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(told("half-character", {"place": place})) from error
    if any("\0" in value for value in record.values() if isinstance(value, str)):
        raise DataError(told("nul-character", {"place": place}))
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
        raise DataError(
            told("cannot-open", {"path": path, "reason": error.strerror or error})
        ) from error
    except pa.ArrowException as error:
        raise DataError(told("parquet-not-whole", {"path": path, "reason": error})) from error


def _read_parquet(path: Path) -> Iterator[Placed]:
    with open_parquet(path) as file:
        number = 0
        try:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                for record in batch.to_pylist():
                    number += 1
                    place = f"{path}: row {number}"
                    if any("\0" in value for value in record.values() if isinstance(value, str)):
                        raise DataError(told("nul-character", {"place": place}))
                    yield place, record
        except (OSError, UnicodeDecodeError, ValueError) as error:
            # pyarrow's own errors are subclasses of OSError and ValueError.
            raise DataError(
                told("parquet-damaged", {"path": path, "number": number, "reason": error})
            ) from error


_SEPARATED = {".csv": separated.DELIMITERS, ".tsv": "\t"}
"""The delimiters that a table's suffix allows."""
TEXTUAL = (*_SEPARATED, ".jsonl")
"""The formats that are read line by line."""
PLAIN = ".txt"
"""A table where all lines have tabs, as Excel's "Unicode text"; else a text a line."""
READERS = (*TEXTUAL, ".parquet", *sheets.SUFFIXES)
"""The formats of tables."""
TABLES = (*READERS, PLAIN)


def _textual(stream: IO[bytes], name: str, reading: Reading, suffix: str) -> Iterator[Placed]:
    if suffix == ".jsonl":
        yield from _from_jsonl(
            encodings.lines(stream, _encoding(stream, name, reading), name), name
        )
        return
    table = _table(stream, name, reading, suffix)
    yield from _from_lines(stream, name, reading) if table is None else table.records


def _read(path: Path, reading: Reading) -> Iterator[Placed]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from _read_parquet(path)
    elif suffix in sheets.SUFFIXES:
        yield from sheets.opened(path, reading).records
    else:
        with _opened(path) as stream:
            yield from _textual(stream, str(path), reading, suffix)

"""Writes a file of records so that a killed run can resume. Knows nothing of the columns' meaning.

Records go to `<name>.partial` as JSON lines, and are converted to the final format at the end.
"""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgekit.data.records import BATCH_ROWS, Record, open_parquet, require_pyarrow
from edgekit.errors import DataError, OutOfDisk
from edgekit.system import machine


@dataclass(frozen=True, slots=True)
class _Original:
    """The file that the records were read from."""

    path: Path
    changed: frozenset[str]
    """Columns whose values are the records', not the file's."""


class RecordWriter:
    """Collects records and leaves them in `path`, in the format of its suffix.

    with RecordWriter(Path("out.csv")) as writer:
        for record in islice(stream_records(source), writer.written, None):
            writer.write(record | {"label": …})
        writer.finish()

    `written` is the number of records that an earlier, killed run left in `partial`; the caller
    must know that they came from the same input. Leaving without `finish` keeps them. If `path` and
    `source`, the file that the records were read from, are both Parquet, the columns of `source`
    are copied from it unchanged, but for those in `changed`.
    """

    def __init__(
        self, path: Path, *, source: Path | None = None, changed: Collection[str] = ()
    ) -> None:
        if path.suffix.lower() not in _CONVERTERS:
            raise DataError(
                f"{path}: '{path.suffix}' is no format that edgekit writes; "
                f"name the file as one of {', '.join(_CONVERTERS)}."
            )
        if not path.parent.is_dir():
            raise DataError(f"{path}: there is no folder '{path.parent}'; make it first.")
        if path.suffix.lower() == ".parquet":
            require_pyarrow()
        self.path = path
        self.partial = partial_of(path)
        self._original = None if source is None else _Original(source, frozenset(changed))
        self.written = _keep_whole_lines(self.partial)
        # Unbuffered: every record is with the kernel, and closing has nothing left to flush.
        self._stream = self.partial.open("ab", buffering=0)

    def write(self, record: Record) -> None:
        """Adds a record; once this returns, killing this process does not lose it."""
        line = self._encode(record)
        with _disk_room(self.path):
            rest = memoryview(line + b"\n")
            while rest:
                rest = rest[self._stream.write(rest) :]
        self.written += 1

    def _encode(self, record: Record) -> bytes:
        strict = self.path.suffix.lower() == ".jsonl"
        try:
            text = json.dumps(record, ensure_ascii=False, allow_nan=not strict, default=_as_text)
        except ValueError as error:
            raise DataError(
                f"{self.path}: record {self.written + 1} has a number that JSON lacks "
                "(NaN or infinite); name the file .csv or .parquet."
            ) from error
        return text.encode("utf-8")

    def finish(self) -> None:
        """Writes all records to `path` atomically and removes the partial file."""
        if self.written == 0:
            raise DataError(f"{self.path}: there are no records to write.")
        self.close()
        convert = _CONVERTERS[self.path.suffix.lower()]
        with _disk_room(self.path):
            whole = self.partial
            if convert is not None:
                whole = self.path.with_name(self.path.name + ".whole")
                convert(self.partial, whole, self._original)
            machine.sync_file(whole)
            whole.replace(self.path)
            self.partial.unlink(missing_ok=True)
            machine.sync_folder(self.path.parent)

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _disk_room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise OutOfDisk(
            f"{path}: the disk is full; make room and run the same again, it goes on from here."
        ) from error


def partial_of(path: Path) -> Path:
    """Where the records of `path` are kept until all are written."""
    return path.with_name(path.name + ".partial")


def _keep_whole_lines(partial: Path) -> int:
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


def _as_text(value: Any) -> str:
    """Parquet has types that JSON lacks; times and decimals have one clear text form each."""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if isinstance(value, Decimal):
        return str(value)
    raise DataError(
        f"A column holds values of type {type(value).__name__}, which cannot be written as text; "
        "leave that column out of the input."
    )


def _records(partial: Path) -> Iterator[Record]:
    with partial.open("rb") as stream:
        for line in stream:
            yield json.loads(line)


def _to_csv(partial: Path, whole: Path, original: _Original | None) -> None:
    _write_csv(partial, whole, ",")


def _to_tsv(partial: Path, whole: Path, original: _Original | None) -> None:
    _write_csv(partial, whole, "\t")


def _write_csv(partial: Path, whole: Path, delimiter: str) -> None:
    names = _names(partial)
    with whole.open("w", encoding="utf-8", newline="") as stream:
        # With "\n" as the line end, the csv module would leave a lone "\r" in a text unquoted.
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(names)
        for record in _records(partial):
            writer.writerow([_csv_value(record.get(name)) for name in names])


def _csv_value(value: Any) -> str:
    return "" if value is None else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _names(partial: Path) -> list[str]:
    """Every column of every record, in order of appearance."""
    names: dict[str, None] = {}
    for record in _records(partial):
        names.update(dict.fromkeys(record))
    return list(names)


def _to_parquet(partial: Path, whole: Path, original: _Original | None) -> None:
    if original is not None and original.path.suffix.lower() == ".parquet":
        _extend_parquet(partial, whole, original)
    else:
        _make_parquet(partial, whole)


def _make_parquet(partial: Path, whole: Path) -> None:
    import pyarrow as pa  # an extra, and slow to import
    import pyarrow.parquet as pq

    schema = _schema(partial, _names(partial))
    records = _records(partial)
    with pq.ParquetWriter(whole, schema) as writer:
        while batch := list(islice(records, BATCH_ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(_fit(batch, schema), schema=schema))


def _extend_parquet(partial: Path, whole: Path, original: _Original) -> None:
    import pyarrow as pa  # an extra, and slow to import
    import pyarrow.parquet as pq

    records = _records(partial)
    with open_parquet(original.path) as file:
        known = file.schema_arrow
        copied = [name for name in known.names if name not in original.changed]
        made = _schema(partial, [name for name in _names(partial) if name not in copied])
        added = [field for field in made if field.name not in known.names]
        replaced = [made.field(one.name) if one.name not in copied else one for one in known]
        schema = pa.schema([*replaced, *added])
        with pq.ParquetWriter(whole, schema) as writer:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                rows = list(islice(records, batch.num_rows))
                if len(rows) != batch.num_rows:
                    raise DataError(
                        f"{original.path}: the file has changed since; classify it anew."
                    )
                new = pa.RecordBatch.from_pylist(_fit(rows, made), schema=made)
                columns = [(batch if name in copied else new).column(name) for name in schema.names]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _schema(partial: Path, names: list[str]) -> Any:
    """A type for each column: the one that all its values have, else text."""
    import pyarrow as pa  # an extra, and slow to import

    kinds: dict[str, set[type]] = {name: set() for name in names}
    for record in _records(partial):
        for name in kinds:
            if record.get(name) is not None:
                kinds[name].add(_kind(record[name]))
    types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    return pa.schema(
        [
            (name, types.get(next(iter(found)), pa.string()) if len(found) == 1 else pa.string())
            for name, found in kinds.items()
        ]
    )


def _kind(value: Any) -> type:
    """Integers that take more than 64 bits are kept as text."""
    return str if isinstance(value, int) and value.bit_length() > 63 else type(value)


def _fit(records: list[Record], schema: Any) -> list[Record]:
    """Turns the values of text columns into text: lists and objects from JSONL into JSON."""
    import pyarrow as pa  # an extra, and slow to import

    texts = [field.name for field in schema if field.type == pa.string()]
    return [
        {
            **record,
            **{name: _text(record[name]) for name in texts if record.get(name) is not None},
        }
        for record in records
    ]


_Converter = Callable[[Path, Path, _Original | None], None]

_CONVERTERS: dict[str, _Converter | None] = {
    ".csv": _to_csv,
    ".tsv": _to_tsv,
    ".jsonl": None,
    ".parquet": _to_parquet,
}

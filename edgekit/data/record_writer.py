"""Writes a file of records so that a killed run can resume. Knows nothing of the columns' meaning.

Records go to `<name>.partial` as JSON lines, and are converted to the final format at the end.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.data import sheets, write_ods, write_parquet, write_separated, write_xlsx
from edgekit.data.partial import Original, as_text, keep_whole_lines, partial_of
from edgekit.data.reading import AS_FOUND, Reading
from edgekit.data.records import Record, require_pyarrow
from edgekit.data.refusals import told
from edgekit.errors import DataError, OutOfDisk
from edgekit.system import machine


class RecordWriter:
    """Collects records and leaves them in `path`, in the format of its suffix.

    with RecordWriter(Path("out.csv")) as writer:
        for record in islice(stream_records(source), writer.written, None):
            writer.write(record | {"label": …})
        writer.finish()

    `written` is the number of records that an earlier, killed run left in `partial`; the caller
    must know that they came from the same input. Leaving without `finish` keeps them.

    If `source`, the file that the records were read from, has the format of `path`, its form is
    kept: delimiter, encoding and line ends of text, everything of a workbook, the columns of
    Parquet but for those in `changed`; new columns stand behind. `reading` is how it was read, and
    `rows` the numbers, from 1, of its records that are written, if not all are. After `finish`,
    `notes` has a sentence for each thing that could not be kept.
    """

    def __init__(
        self,
        path: Path,
        *,
        source: Path | None = None,
        changed: Collection[str] = (),
        reading: Reading = AS_FOUND,
        rows: Sequence[int] | None = None,
    ) -> None:
        if path.suffix.lower() not in _CONVERTERS:
            raise DataError(
                told(
                    "no-format-write",
                    {"path": path, "suffix": path.suffix, "suffixes": ", ".join(_CONVERTERS)},
                )
            )
        if not path.parent.is_dir():
            raise DataError(told("no-folder", {"path": path, "folder": path.parent}))
        if path.suffix.lower() == ".parquet":
            require_pyarrow()
        if path.suffix.lower() in sheets.SUFFIXES:
            sheets.require(path.suffix.lower())
        self.path = path
        self.partial = partial_of(path)
        self.notes: tuple[str, ...] = ()
        self._original = (
            None if source is None else Original(source, reading, frozenset(changed), rows)
        )
        self.written = keep_whole_lines(self.partial)
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
            text = json.dumps(record, ensure_ascii=False, allow_nan=not strict, default=as_text)
        except ValueError as error:
            raise DataError(
                told("json-number", {"path": self.path, "record": self.written + 1})
            ) from error
        return text.encode("utf-8")

    def finish(self) -> None:
        """Writes all records to `path` atomically and removes the partial file."""
        if self.written == 0:
            raise DataError(told("no-records", {"path": self.path}))
        self.close()
        convert = _CONVERTERS[self.path.suffix.lower()]
        with _disk_room(self.path):
            whole = self.partial
            if convert is not None:
                whole = self.path.with_name(self.path.name + ".whole")
                self.notes = convert(self.partial, whole, self._original)
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
        raise OutOfDisk(told("disk-full", {"path": path})) from error


_Converter = Callable[[Path, Path, Original | None], tuple[str, ...]]

_CONVERTERS: dict[str, _Converter | None] = {
    ".csv": write_separated.write,
    ".tsv": write_separated.write,
    ".jsonl": None,
    ".parquet": write_parquet.write,
    ".xlsx": write_xlsx.write,
    ".ods": write_ods.write,
    ".txt": write_separated.write,
}

"""A Parquet file, answered in parts: what they are, which are finished, and one part's work.

DIR/_job.json says what the parts are made from, DIR/part-00012.parquet are rows in the order of
the file, and DIR/_done/00012.json says which bytes a finished part has. What begins with '_' is
passed over by whoever reads DIR as one table. A part is a function of its rows alone, whoever does
it, and done again it has the same bytes; so a killed worker costs no more than its part.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit.data.records import open_parquet
from edgekit.data.rows import TEXT_PAIR
from edgekit.distributed.handle import Handle
from edgekit.errors import DataError, WorkerError
from edgekit.system import machine
from edgekit.system.digest import canonical_json, sha256_file
from edgekit.wording.suggestions import did_you_mean

ROWS = 20_000
"""Rows of a part: what a killed worker loses, and less than a minute of most models."""
_BATCH = 1024
TRIES = 3
"""How often a part is done again whose worker died, before its text is taken for the reason."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a file, and where their answers go."""

    source: str
    out: str
    number: int
    start: int
    rows: int

    @property
    def path(self) -> Path:
        return Path(self.out) / f"part-{self.number:05}.parquet"

    @property
    def note(self) -> Path:
        return Path(self.out) / "_done" / f"{self.number:05}.json"


@dataclass(frozen=True, slots=True)
class Done:
    """A finished part, as its note says."""

    sha256: str
    rows: int
    errors: int
    """Rows without an answer."""


def plan(handle: Handle, source: Path, out: Path, *, rows: int) -> list[Part]:
    """The parts of a file, after its schema was checked; begins or goes on with `out`.

    Raises DataError for a file that cannot be answered, and for an `out` that holds another's
    parts.
    """
    total = _check(source, handle.column)
    job = {
        "format": 1,
        "source_sha256": sha256_file(source),
        "handle": handle.said(),
        "rows_of_a_part": rows,
        "rows": total,
    }
    _begin(out, job)
    starts = range(0, total, rows)
    return [
        Part(str(source.absolute()), str(out.absolute()), number, start, min(rows, total - start))
        for number, start in enumerate(starts)
    ]


def _check(source: Path, column: str) -> int:
    if source.suffix.lower() != ".parquet":
        raise DataError(f"{source}: only Parquet is answered in parts; save the file as .parquet.")
    with open_parquet(source) as file:
        names, total = list(file.schema_arrow.names), int(file.metadata.num_rows)
        if column not in names:
            hint = did_you_mean(column, names)
            raise DataError(f"{source}: there is no column '{column}'.{hint}")
        kind = str(file.schema_arrow.field(column).type)
    if TEXT_PAIR in names and column != TEXT_PAIR:
        raise DataError(
            f"{source}: there is a column '{TEXT_PAIR}', and the artifact takes single texts; "
            "rename the column if it is no second text."
        )
    if "string" not in kind:
        raise DataError(f"{source}: column '{column}' must be text, but is {kind}; make it text.")
    if total == 0:
        raise DataError(f"{source}: the file is empty; it needs at least one record.")
    return total


def _begin(out: Path, job: Mapping[str, Any]) -> None:
    path, data = out / "_job.json", canonical_json(job)
    if path.exists():
        if path.read_bytes() != data:
            raise DataError(
                f"{out}: this was begun with another input, model or setting; name another folder "
                "or delete this one."
            )
        for left in out.glob(".part-*.partial"):
            left.unlink()  # by a worker that was killed
        return
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: this folder holds something else; name an empty or a new one.")
    (out / "_done").mkdir(parents=True, exist_ok=True)
    machine.write_safely(path, data)


def finished(part: Part) -> Done | None:
    """What is known of a part whose bytes are those that were written; None if it is to be done."""
    try:
        done = Done(**json.loads(part.note.read_bytes()))
        return done if sha256_file(part.path) == done.sha256 else None
    except (OSError, ValueError, TypeError):
        return None


def do(handle: Handle, part: Part) -> Done:
    """Answers one part, in whatever process this is called."""
    # A cluster does a part again whose result was with a worker that died.
    if (before := finished(part)) is not None:
        return before
    # Of its own: a cluster may give a part to a second worker while the first is still alive.
    partial = part.path.with_name(f".{part.path.name}.{uuid.uuid4().hex}.partial")
    try:
        rows, errors = _write(handle, part, partial)
        if rows != part.rows:
            raise DataError(
                f"{part.source}: the file has changed since it was planned; begin anew."
            )
        machine.sync_file(partial)
        done = Done(sha256_file(partial), rows, errors)
        partial.replace(part.path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    machine.sync_folder(part.path.parent)
    machine.write_safely(part.note, canonical_json(asdict(done)))
    return done


def _write(handle: Handle, part: Part, path: Path) -> tuple[int, int]:
    """How many rows were written, and how many of them without an answer."""
    import pyarrow as pa  # an extra, and slow to import
    import pyarrow.parquet as pq

    rows = errors = 0
    with ExitStack() as opened:
        writer = None
        for batch in _rows(part):
            answered = handle(pa.Table.from_batches([batch]))
            if writer is None:
                writer = opened.enter_context(pq.ParquetWriter(path, answered.schema))
            writer.write_table(answered)
            rows += answered.num_rows
            # The error is the last column that is added, whatever it is called.
            errors += answered.num_rows - answered.column(answered.num_columns - 1).null_count
    return rows, errors


def _rows(part: Part) -> Iterator[Any]:
    """The part's rows as Arrow batches, in bounded memory; row groups before it are not read."""
    with open_parquet(Path(part.source)) as file:
        sizes = [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]
        group = before = 0
        while group < len(sizes) and before + sizes[group] <= part.start:
            before += sizes[group]
            group += 1
        left, skip = part.rows, part.start - before
        groups = list(range(group, len(sizes)))
        for batch in file.iter_batches(batch_size=_BATCH, row_groups=groups):
            found = batch.slice(skip, left)
            skip = max(0, skip - batch.num_rows)
            left -= found.num_rows
            if found.num_rows:
                yield found
            if left == 0:
                return


def killed(part: Part) -> WorkerError:
    """For an engine that has given a part up, after TRIES."""
    return WorkerError(
        f"{part.path}: the worker with this part died {TRIES + 1} times; rows {part.start:,} to "
        f"{part.start + part.rows - 1:,} of the file, counted from 0, hold what kills it, or there "
        "is too little memory."
    )

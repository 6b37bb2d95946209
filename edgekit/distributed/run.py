"""A whole Parquet file by one of the engines; a rerun does what is not finished. Knows no task."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from edgekit.data.alone import alone
from edgekit.distributed import parts
from edgekit.distributed.handle import Handle
from edgekit.distributed.parts import Done, Part
from edgekit.system import machine
from edgekit.system.digest import sha256_json
from edgekit.system.disk import told_when_full
from edgekit.tables import ENGINES


class Each(Protocol):
    """`each` of an engine: does parts in any order, and says of each when it is finished."""

    def __call__(
        self, handle: Handle, todo: Sequence[Part], *, workers: int, address: str | None
    ) -> Iterator[tuple[Part, Done]]: ...


@dataclass(frozen=True, slots=True)
class Result:
    path: Path
    rows: int
    errors: int
    """Rows without an answer; the column 'error' says why."""
    parts: int
    reused_parts: int
    """Parts that an earlier run had finished."""
    digest: str
    """Of all parts' bytes in their order: the same by every engine."""

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True, slots=True)
class Workers:
    """Who does the parts."""

    engine: str = "here"
    """A key of tables.ENGINES."""
    processes: int | None = None
    """Of this machine, which share its cores; one for each core unless given."""
    address: str | None = None
    """Of a running cluster, whose own workers are used."""


def answer_file(
    handle: Handle,
    source: Path,
    out: Path,
    *,
    workers: Workers = Workers(),
    rows_of_a_part: int = parts.ROWS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Result:
    """Writes the rows of a Parquet file with their answers as parts of `out`.

    On several machines `source` and `out` must be under the same path. `on_progress` is called with
    the rows done and their number. Raises DataError for a file that cannot be answered.
    """
    with alone(out), told_when_full("a part", out, elsewhere="--out"):
        planned = parts.plan(handle, source, out, rows=rows_of_a_part)
        found = {part: done for part in planned if (done := parts.finished(part)) is not None}
        reused, total = len(found), sum(part.rows for part in planned)
        rows = sum(part.rows for part in found)
        on_progress(rows, total)
        for part, done in _each(handle, [part for part in planned if part not in found], workers):
            found[part] = done
            rows += part.rows
            on_progress(rows, total)
    whole = [found[part] for part in planned]
    return Result(
        path=out,
        rows=total,
        errors=sum(done.errors for done in whole),
        parts=len(planned),
        reused_parts=reused,
        digest=sha256_json([done.sha256 for done in whole]),
    )


def _each(handle: Handle, todo: Sequence[Part], workers: Workers) -> Iterator[tuple[Part, Done]]:
    if not todo:
        return  # a cluster takes seconds to start
    each = cast("Each", importlib.import_module(ENGINES[workers.engine]).each)
    processes = workers.processes or machine.cores()
    if workers.engine != "here" and workers.address is None:
        handle = handle.with_threads(max(1, machine.cores() // processes))
    yield from each(handle, todo, workers=processes, address=workers.address)

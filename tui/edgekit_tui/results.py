"""A labelled file with an SQLite index beside it, so that a million rows sort and filter at once.

The index is made from the file and can be rebuilt; nothing is kept in it alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgekit.data.free_names import free_name
from edgekit.data.reading import AS_FOUND, Reading
from edgekit.data.record_writer import RecordWriter, partial_of
from edgekit.data.rows import stream_records
from edgekit.errors import DataError, EdgekitError, OutOfDisk
from edgekit_tui import places
from edgekit_tui.i18n import N_

_BATCH = 2000
_VERSION = 3
# How long to wait for another app that writes the same index.
_LOCK_SECONDS = 5.0
NO_LABEL = "–"
_SCHEMA = """
CREATE TABLE result (
    number INTEGER PRIMARY KEY, text TEXT, label TEXT, score REAL, abstained INT,
    model TEXT, corrected INT, familiar INT
);
"""
_COLUMNS = "number, text, label, score, abstained, corrected, familiar"
_INDEXES = """
CREATE INDEX by_label ON result (label, score);
CREATE INDEX by_score ON result (score);
"""
ORDERS: Mapping[str, str] = {
    "number": N_("as in the file"),
    "score": N_("least certain first"),
    "score DESC": N_("most certain first"),
    "label": N_("by label"),
}


@dataclass(frozen=True, slots=True)
class Result:
    number: int
    """From 1, like the file's records."""
    text: str
    label: str
    """Empty for a record without text; NO_LABEL for one that was given none of several labels."""
    score: float
    abstained: bool
    corrected: bool
    """The label is a person's; the score is that of the model's."""
    familiar: bool = True
    """False where the text looks like nothing that the model was taught."""


@dataclass(frozen=True, slots=True)
class Query:
    label: str | None = None
    contains: str = ""
    order: str = "number"


def labels_column(record: Mapping[str, Any], name: str) -> str:
    """The name of an added column: `label`, or `edgekit_label` where the file had a `label`."""
    other = f"edgekit_{name}"
    return other if other in record else name


def make_index(
    labelled: Path, index: Path, *, column: str, on_progress: Callable[[int], None] | None = None
) -> None:
    """Reads a labelled file into an index, replacing an older one atomically."""
    partial = index.with_name(index.name + ".partial")
    partial.unlink(missing_ok=True)
    places.private_folder(index.parent)
    partial.touch(mode=places.FILE_MODE)
    try:
        _fill(partial, _rows(labelled, column), on_progress)
    except sqlite3.Error as error:
        partial.unlink(missing_ok=True)
        raise OutOfDisk(
            f"{index}: the index of the results cannot be written ({error}); make room on the disk "
            "and label the file again, the labels themselves are kept."
        ) from error
    partial.replace(index)


def renew_index(labelled: Path, index: Path, *, column: str) -> None:
    """Makes an index of an earlier version of the app anew, which lacks columns."""
    with closing(_connect(index)) as database:
        found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found < _VERSION:
        make_index(labelled, index, column=column)


def _fill(
    path: Path,
    rows: Iterator[tuple[int, str, str, float, bool, bool]],
    on_progress: Callable[[int], None] | None,
) -> None:
    with closing(_connect(path)) as database:
        database.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {_SCHEMA}")
        done = 0
        while batch := list(islice(rows, _BATCH)):
            database.executemany("INSERT INTO result VALUES (?1, ?2, ?3, ?4, ?5, ?3, 0, ?6)", batch)
            done += len(batch)
            if on_progress is not None:
                on_progress(done)
        database.executescript(f"{_INDEXES} PRAGMA user_version = {_VERSION};")
        database.commit()


def _rows(labelled: Path, column: str) -> Iterator[tuple[int, str, str, float, bool, bool]]:
    for number, record in enumerate(stream_records(labelled, column=column), 1):
        label = record[labels_column(record, "label")]
        score = record[labels_column(record, "score")]
        abstained = record[labels_column(record, "abstained")]
        # Only artifacts that can tell write it.
        familiar = record.get(labels_column(record, "familiar"))
        yield (
            number,
            record[column],
            # A text that was given none of several labels has a score.
            str(label or ("" if score in (None, "") else NO_LABEL)),
            float(score) if score not in (None, "") else 0.0,
            abstained in (True, "true", "True"),
            familiar not in (False, "false", "False"),
        )


class Results:
    """Queries on an index. Each opens it anew, so that any thread may ask."""

    def __init__(self, index: Path) -> None:
        self.index = index

    def count(self, query: Query = Query()) -> int:
        where, values = _where(query)
        return int(self._ask(f"SELECT count(*) FROM result {where}", values)[0][0])

    def by_label(self, contains: str = "") -> dict[str, int]:
        """Label -> number of rows, the most frequent first."""
        where, values = _where(Query(contains=contains))
        return {
            str(label): int(rows)
            for label, rows in self._ask(
                f"SELECT label, count(*) AS n FROM result {where} GROUP BY label "
                "ORDER BY n DESC, label",
                values,
            )
        }

    def page(self, query: Query, *, offset: int, most: int) -> list[Result]:
        where, values = _where(query)
        order = query.order if query.order in ORDERS else "number"
        found = self._ask(
            f"SELECT {_COLUMNS} FROM result {where} ORDER BY {order}, number LIMIT ? OFFSET ?",
            [*values, most, offset],
        )
        return [_result(*row) for row in found]

    def correct(self, labels: Mapping[str, str]) -> None:
        """Gives the rows with these texts a person's label, and all others the model's again."""
        with closing(_connect(self.index)) as database, self._readable(), database:
            database.execute("CREATE TEMP TABLE given (text TEXT PRIMARY KEY, label TEXT)")
            database.executemany("INSERT INTO given VALUES (?, ?)", labels.items())
            by_hand = "(text IN (SELECT text FROM given))"
            right = (
                "coalesce((SELECT given.label FROM given WHERE given.text = result.text), model)"
            )
            # What is right already is not written again: the disk may be full.
            database.execute(
                f"UPDATE result SET corrected = {by_hand}, label = {right}"
                f" WHERE (corrected OR {by_hand}) AND (corrected != {by_hand} OR label != {right})"
            )

    def some_texts(self, most: int) -> list[str]:
        """Texts from all over the file, each with something in it."""
        found = self._ask(
            "SELECT text FROM result WHERE label != '' AND "
            "number % max(1, (SELECT count(*) FROM result) / ?) = 0 LIMIT ?",
            [most, most],
        )
        return [str(row[0]) for row in found]

    def numbers(self, query: Query) -> list[int]:
        """Of the rows of a query, in the order of the file."""
        where, values = _where(query)
        found = self._ask(f"SELECT number FROM result {where} ORDER BY number", values)
        return [int(row[0]) for row in found]

    def to_review(self, most: int, query: Query = Query()) -> list[Result]:
        """The rows of a query whose correction teaches most, each text once, none corrected yet.

        Least confidence first (Lewis and Gale 1994), taking turns between labels, so that the
        first corrections do not all teach the same.
        """
        where, values = _where(query, "label != ''", "NOT corrected")
        found = self._ask(
            f"SELECT {_COLUMNS} FROM ("
            " SELECT *, row_number() OVER (PARTITION BY label ORDER BY score, number) AS turn"
            " FROM (SELECT *, row_number() OVER (PARTITION BY text ORDER BY number) AS copy"
            f"       FROM result {where}) WHERE copy = 1"
            ") ORDER BY turn, score, number LIMIT ?",
            [*values, most],
        )
        return [_result(*row) for row in found]

    def _ask(self, question: str, values: list[Any]) -> list[tuple[Any, ...]]:
        with closing(_connect(self.index)) as database, self._readable():
            return database.execute(question, values).fetchall()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise OutOfDisk(
                    f"{self.index}: corrected labels cannot be shown ({error}), though they are "
                    "kept; make room on the disk."
                ) from error
            raise DataError(
                f"{self.index}: the index of the results cannot be read ({error}); "
                "label the file again."
            ) from error


def _result(
    number: int, text: str, label: str, score: float, abstained: int, corrected: int, familiar: int
) -> Result:
    return Result(number, text, label, score, bool(abstained), bool(corrected), bool(familiar))


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, timeout=_LOCK_SECONDS)
    except sqlite3.Error as error:
        raise EdgekitError(f"{path}: this cannot be opened ({error}).") from error


def _where(query: Query, *conditions_of_all: str) -> tuple[str, list[Any]]:
    conditions, values = [*conditions_of_all], list[Any]()
    if query.label is not None:
        conditions.append("label = ?")
        values.append(query.label)
    if query.contains:
        conditions.append("instr(lower(text), lower(?)) > 0")
        values.append(query.contains)
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), values


@dataclass(frozen=True, slots=True)
class Written:
    rows: int
    notes: tuple[str, ...]
    """What of the file's own form could not be kept, in words."""


def export(
    labelled: Path,
    out: Path,
    *,
    column: str = "text",
    corrected: Mapping[str, str] = MappingProxyType({}),
    source: Path | None = None,
    reading: Reading = AS_FOUND,
    rows: Sequence[int] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Written:
    """Writes the labelled file in the format of `out`'s suffix, and where that is the format of
    `source`, the file that was labelled, as `reading` says, in its form too; all rows, or those
    with the numbers `rows`.

    A text in `corrected` has its label from there; then every row also has the model's label, in
    `label_model`, and in `corrected` whether a person set the label. Raises DataError if `out`
    exists: none of the user's files is overwritten.
    """
    if out.exists():
        raise DataError(f"{out}: this file exists; choose another name.")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(out)
    partial.unlink(missing_ok=True)
    first = next(iter(stream_records(labelled)), {})
    changed = {labels_column(first, "label")} if corrected else set()
    there = source is not None and source.exists()
    origin = source if there else labelled
    wanted = None if rows is None else set(rows)
    try:
        with RecordWriter(
            out, source=origin, changed=changed, reading=reading, rows=rows
        ) as writer:
            for number, record in enumerate(stream_records(labelled), 1):
                if wanted is not None and number not in wanted:
                    continue
                writer.write(_corrected(record, column, corrected) if corrected else record)
                if on_progress is not None:
                    on_progress(writer.written)
            writer.finish()
            lost = (f"{source} is not there any more, so the new file has the plain form",)
            gone = source is not None and not there and source.suffix.lower() == out.suffix.lower()
            return Written(writer.written, (*writer.notes, *(lost if gone else ())))
    except BaseException:
        # Half an export looks like a whole one, and keeps filling a disk that is full.
        partial.unlink(missing_ok=True)
        raise


def _corrected(
    record: Mapping[str, Any], column: str, corrected: Mapping[str, str]
) -> dict[str, Any]:
    name = labels_column(record, "label")
    label = corrected.get(record[column]) if isinstance(record[column], str) else None
    return {
        **record,
        name: record[name] if label is None else label,
        free_name("label_model", record, "the labelled file"): record[name],
        free_name("corrected", record, "the labelled file"): label is not None,
    }


def forget(older_than_seconds: float) -> int:
    """Removes labelled files, indexes and unfinished work older than this; returns their number."""
    return places.forget(places.results(), older_than_seconds)

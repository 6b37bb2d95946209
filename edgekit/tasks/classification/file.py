"""Labels a whole file, record by record, so that a run killed at any moment can resume. No engine.

Until `OUT` is complete, `OUT.partial` beside it holds the records so far, and `OUT.job.json` says
what they were made from: another input, model or setting is never mixed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from edgekit.artifact.manifest import Manifest
from edgekit.data import label_sets
from edgekit.data.alone import alone
from edgekit.data.free_names import free_name
from edgekit.data.inputs import Input
from edgekit.data.places import placed
from edgekit.data.reading import AS_FOUND, Reading
from edgekit.data.record_writer import RecordWriter, partial_of
from edgekit.data.records import Placed, Record, cell, placed_records
from edgekit.data.rows import TEXT_PAIR
from edgekit.errors import DataError
from edgekit.system import machine
from edgekit.system.digest import canonical_json, sha256_file
from edgekit.tasks.classification.answer import Answer
from edgekit.tasks.refusals import told

ADDED = ("label", "score", "abstained")
FAMILIAR = "familiar"
"""A further column, where the artifact can tell."""
_BATCH = 256


class Labels(Protocol):
    """A loaded model that gives labels, such as edgekit.Model."""

    @property
    def manifest(self) -> Manifest: ...

    def classify(
        self,
        texts: Iterator[Input],
        *,
        abstain_below: float | None = None,
        labels: Sequence[str] | None = None,
    ) -> Iterator[Answer]: ...


@dataclass(frozen=True, slots=True)
class FileResult:
    path: Path
    rows: int
    resumed_rows: int
    """Rows that an earlier, interrupted run had done already."""
    empty_rows: int
    """Rows of this run without text; they have no label."""
    abstained_rows: int
    """Rows of this run whose score is below `abstain_below`, not counting those without text."""
    unfamiliar_rows: int = 0
    """Rows of this run that look like nothing that the model was taught."""
    notes: tuple[str, ...] = ()
    """What of the input's form could not be kept, in words."""

    def as_json(self) -> dict[str, Any]:
        """What `classify --file --json` prints."""
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True, slots=True)
class _Job:
    """What the records of a partial file are made from."""

    source_sha256: str
    artifact: str
    column: str
    abstain_below: float
    labels: tuple[str, ...]
    """The labels that a chat model chooses from; none for a classifier, which has its own."""
    added: tuple[str, ...]
    rows: int
    replaces: bool
    """Whether `OUT` existed before, so that it is not this job's."""
    pair_column: str | None = None
    """The column of the second texts, where the model takes pairs."""
    reading: Reading = AS_FOUND

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the text, or of both texts of a pair."""
        return (self.column,) if self.pair_column is None else (self.column, self.pair_column)


def classify_file(
    model: Labels,
    source: Path,
    out: Path,
    *,
    column: str,
    pair_column: str = TEXT_PAIR,
    abstain_below: float | None = None,
    labels: Sequence[str] | None = None,
    overwrite: bool = False,
    reading: Reading = AS_FOUND,
    on_progress: Callable[[int, int], None] | None = None,
) -> FileResult:
    """Writes every record of `source` to `out` with the columns label, score and abstained, and
    where the artifact can tell, familiar; where a text may have several labels, as `a|b`, or empty
    for none.

    If the input has a column of that name already, the new one is called edgekit_label and so on.
    The suffix decides the format, also of `out`, which has the form of `source` where the suffix is
    the same; memory is bounded. The whole input is checked
    before the first answer. `on_progress` is called with the rows done and the number of all rows.
    Raises DataError for input that cannot be read and for an `out` that exists, unless `overwrite`.
    `labels` are those that a chat model chooses from; `pair_column` has the second texts, where the
    model takes pairs. `reading` says how `source` is read, where what is found out is wrong.
    """
    if source.exists() and out.exists() and source.samefile(out):
        raise DataError(told("input-itself", {"path": out}))
    with alone(out):
        columns = _columns(model, column, pair_column)
        job = _plan(model, source, out, columns, abstain_below=abstain_below, labels=labels,
                    reading=reading)  # fmt: skip
        job = _make_way(out, job, overwrite=overwrite)
        with RecordWriter(out, source=source, reading=reading) as writer:
            machine.write_safely(_job_file(out), canonical_json(asdict(job)))
            result = _write(model, source, writer, job, on_progress=on_progress)
            writer.finish()
            result = replace(result, notes=writer.notes)
        _job_file(out).unlink()
    return result


def _write(
    model: Labels,
    source: Path,
    writer: RecordWriter,
    job: _Job,
    *,
    on_progress: Callable[[int, int], None] | None,
) -> FileResult:
    resumed, empty, abstained, unfamiliar = writer.written, 0, 0, 0
    records = islice(placed_records(source, job.reading), resumed, None)
    for record, found in _answers(model, records, job):
        writer.write({**record, **_added(job, found)})
        empty += found is None
        abstained += found is not None and found.abstained
        unfamiliar += found is not None and found.familiar is False
        if on_progress is not None:
            on_progress(writer.written, job.rows)
    return FileResult(writer.path, job.rows, resumed, empty, abstained, unfamiliar)


def _plan(
    model: Labels,
    source: Path,
    out: Path,
    columns: tuple[str, ...],
    *,
    abstain_below: float | None,
    labels: Sequence[str] | None,
    reading: Reading,
) -> _Job:
    """Reads the whole input once: better to refuse it now than after hours."""
    rows, names = 0, set[str]()
    for place, record in placed_records(source, reading):
        for column in columns:
            cell(record, column, place)
        if TEXT_PAIR in record and TEXT_PAIR not in columns:
            _refuse_second(model, place)
        rows += 1
        names.update(record)
    floor = model.manifest.model.abstain_below if abstain_below is None else abstain_below
    return _Job(
        source_sha256=sha256_file(source),
        artifact=model.manifest.digest,
        column=columns[0],
        pair_column=columns[1] if len(columns) > 1 else None,
        abstain_below=floor,
        labels=tuple(labels or ()),
        added=tuple(free_name(name, names, str(source)) for name in _added_names(model.manifest)),
        rows=rows,
        reading=reading,
        replaces=out.exists(),
    )


def _columns(model: Labels, column: str, pair_column: str) -> tuple[str, ...]:
    """Those of the text, or of both texts of a pair."""
    if not model.manifest.model.pairs:
        return (column,)
    if column == pair_column:
        raise DataError(
            f"'{model.manifest.name}' takes pairs of texts, and both texts of a pair would come "
            f"from the column '{column}'; name that of the first."
        )
    return column, pair_column


def _refuse_second(model: Labels, place: str) -> None:
    """A second text that no model would be given: every answer would be to half of a question."""
    raise DataError(
        f"{place}: there is a column '{TEXT_PAIR}', and '{model.manifest.name}' takes single "
        "texts, not pairs; use an artifact for pairs, or rename the column if it is no second text."
    )


def _make_way(out: Path, job: _Job, *, overwrite: bool) -> _Job:
    """Decides what happens to existing files: they are resumed, replaced or refused.

    Returns the job as it was begun.
    """
    partial = partial_of(out)
    begun = _read_job(out)
    same = begun is not None and replace(begun, replaces=job.replaces) == job
    job = begun if begun is not None and same else job
    # A kill between the last two lines of a run leaves the complete file and the job.
    ours = same and not job.replaces
    if out.exists() and not (overwrite or ours):
        raise DataError(told("file-exists", {"path": out}))
    if partial.exists() and partial.stat().st_size and not same:
        if not overwrite:
            raise DataError(told("begun-otherwise", {"path": partial}))
        partial.unlink()
    out.parent.mkdir(parents=True, exist_ok=True)
    return job


def _job_file(out: Path) -> Path:
    return out.with_name(out.name + ".job.json")


def _read_job(out: Path) -> _Job | None:
    try:
        value = json.loads(_job_file(out).read_bytes())
        tuples = {name: tuple(value[name]) for name in ("added", "labels")}
        reading = Reading(**value.get("reading", {}))
        return _Job(**{**value, **tuples, "reading": reading})
    except (OSError, ValueError, TypeError, KeyError):
        # Missing, or not one of ours: then there is nothing to resume.
        return None


def _answers(
    model: Labels, records: Iterator[Placed], job: _Job
) -> Iterator[tuple[Record, Answer | None]]:
    """Each record with its answer, or None if it has no text, in order.

    An error that a row's text is the reason of names the row.
    """
    while batch := list(islice(records, _BATCH)):
        given = [_given(record, job) for _, record in batch]
        texts = (one for one in given if one is not None)
        answers = model.classify(texts, abstain_below=job.abstain_below, labels=job.labels or None)
        for (place, record), one in zip(batch, given, strict=True):
            with placed(place):
                found = next(answers) if one is not None else None
            yield record, found


def _given(record: Record, job: _Job) -> Input | None:
    """What the model is given; None where a text is empty."""
    texts = [record[column] for column in job.columns]
    if not all(text.strip() for text in texts):
        return None
    return texts[0] if len(texts) == 1 else (texts[0], texts[1])


def _added(job: _Job, found: Answer | None) -> Record:
    # A row without text gets no label; a made-up answer would look like any other. A text that was
    # given none of several labels has a score.
    values = (None, None, True, None) if found is None else (
        label_sets.written(found.labels), round(found.score, 6), found.abstained, found.familiar,
    )  # fmt: skip
    return dict(zip(job.added, values, strict=False))


def _added_names(manifest: Manifest) -> tuple[str, ...]:
    return ADDED if manifest.model.familiar is None else (*ADDED, FAMILIAR)

"""`edgekit.Handle`: an artifact that travels as its path and digest, and answers whole tables.

It holds no model: each process that it is sent to loads its own, once, when the first row comes.
Knows no engine and no task.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.artifact import folder as artifacts
from edgekit.data.free_names import free_name
from edgekit.data.places import is_of_a_row
from edgekit.distributed import tables as batches
from edgekit.errors import (
    DataError,
    EdgekitError,
    IntegrityError,
    UnsupportedTask,
    WorkerError,
)
from edgekit.model import Model, open_model
from edgekit.runtime.engine import Asked
from edgekit.runtime.parallel import in_order
from edgekit.system import machine
from edgekit.tables import task_part
from edgekit.tasks.contract import Batch, Kind

ERROR = "error"
"""The column that says why a row has no answer; empty where it has one."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What a process loads, and keeps: as much as decides how the model answers."""

    folder: str
    digest: str
    asked: Asked


class _Models:
    """The models of this process. A handle is unpickled for every task that it is sent with, and
    its model has to outlive that; a forked process loads its own, and never closes its parent's:
    that would wait for threads that were not copied."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[int, _Place], Model] = {}

    def get(self, place: _Place) -> Model:
        with self._lock:
            key = (os.getpid(), place)
            if key not in self._found:
                self._found[key] = _load(place)
            return self._found[key]

    def unlock(self) -> None:
        """A thread of the parent may have held the lock when it forked."""
        self._lock = threading.Lock()


_MODELS = _Models()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_MODELS.unlock)


def _load(place: _Place) -> Model:
    artifact = artifacts.read(Path(place.folder))
    if artifact.manifest.digest != place.digest:
        raise IntegrityError(
            f"{place.folder}: the artifact here is not the one that the handle was made for "
            f"({artifact.manifest.digest[:12]} instead of {place.digest[:12]}); copy that one to "
            "every machine, under the same path."
        )
    return open_model(artifact, place.asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    folder: str
    digest: str
    task: str
    column: str
    options: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None
    max_ram: str | None = None
    context: int | None = None


class Handle:
    """An artifact for `map_batches`, `map_partitions`, `mapInPandas` and the like.

    handle = edgekit.Handle("/shared/triage-sw", options={"abstain_below": 0.6})
    table = handle(table)

    A batch is a dict of columns, a pandas DataFrame or an Arrow table with texts in `column`, and
    comes back as the same kind with the columns of `columns`. A row that cannot be answered has
    the reason in `error` and no answer; what would be wrong in every row is raised. `options` are
    those of the artifact's verb, such as `abstain_below`; `threads` are a process's cores, by its
    affinity and its container's quota unless given. The artifact has to be under the same path on
    every machine; files are hashed once on each.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        column: str = "text",
        options: Mapping[str, Any] | None = None,
        threads: int | None = None,
        max_ram: str | None = None,
        context: int | None = None,
    ) -> None:
        manifest = artifacts.read(Path(path)).manifest
        if threads is not None and threads < 1:
            raise EdgekitError(f"A model cannot run on {threads} threads; give 1 or more.")
        if manifest.model.pairs:
            raise UnsupportedTask(
                f"'{manifest.name}' takes pairs of texts, and a handle answers the texts of one "
                "column; give the pairs to model.classify, or a file of them to `edgekit classify "
                "--file` without --engine."
            )
        self._bound(
            _Settings(
                # Another process may have another working folder.
                folder=str(Path(path).absolute()),
                digest=manifest.digest,
                task=manifest.task,
                column=column,
                options=dict(options or {}),
                threads=threads,
                max_ram=max_ram,
                context=context,
            )
        )

    def _bound(self, settings: _Settings) -> None:
        self._settings = settings
        self._batch: Batch = task_part(settings.task, "batch").bind(settings.options)

    @property
    def digest(self) -> str:
        """The artifact's."""
        return self._settings.digest

    @property
    def column(self) -> str:
        """The column with the texts."""
        return self._settings.column

    @property
    def columns(self) -> Mapping[str, Kind]:
        """The columns that are added to a batch, and what they hold. One that the batch has
        already is called edgekit_label and so on."""
        return {**self._batch.columns, ERROR: "text"}

    def said(self) -> Mapping[str, Any]:
        """What decides its answers, as JSON: not where the artifact is, nor on how many cores."""
        given = self._settings
        return {
            "artifact": given.digest,
            "column": given.column,
            "options": given.options,
            "context": given.context,
        }

    def with_threads(self, threads: int) -> Handle:
        """The same handle for a process that shares its machine with others."""
        return _rebound(replace(self._settings, threads=threads))

    def __call__(self, batch: Any) -> Any:
        """The batch with its answers."""
        table = batches.of(batch)
        names = {name: free_name(name, table.names, "batch") for name in self.columns}
        answers = self._answers(batches.texts(table, self._settings.column))
        added = {names[name]: [answer.get(name) for answer in answers] for name in self.columns}
        return table.extended(added, {names[name]: kind for name, kind in self.columns.items()})

    def load(self) -> Model:
        """This process's model, which it keeps."""
        given = self._settings
        # Texts side by side have a thread each: then none waits for another.
        threads = 1 if self._batch.side_by_side else self._cores()
        asked = Asked(threads=threads, max_ram=given.max_ram, context=given.context, shared=True)
        return _MODELS.get(_Place(given.folder, given.digest, asked))

    def _cores(self) -> int:
        return self._settings.threads or machine.cores()

    def _answers(self, texts: Sequence[Any]) -> list[Mapping[str, Any]]:
        if not len(texts):
            return []  # so that a table's columns can be asked for without a model
        model = self.load()
        workers = self._cores() if self._batch.side_by_side else 1
        return list(in_order(partial(self._answer, model), texts, workers=workers))

    def _answer(self, model: Model, text: Any) -> Mapping[str, Any]:
        try:
            if not isinstance(text, str):
                raise DataError(f"This row has no text in '{self._settings.column}'.")
            return self._batch.answer(model, text)
        except EdgekitError as error:
            # A worker that a text has killed is started again for the next one.
            if is_of_a_row(error) or isinstance(error, WorkerError):
                return {ERROR: str(error)}
            raise  # it would be wrong in every row

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebound, (self._settings,)

    def __repr__(self) -> str:
        return f"Handle({self._settings.folder!r}, digest={self.digest[:12]!r})"


def _rebound(settings: _Settings) -> Handle:
    """Opens nothing: where the handle arrives, there may be no row for it."""
    handle = Handle.__new__(Handle)
    handle._bound(settings)
    return handle

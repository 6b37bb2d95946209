"""What a task declares to recipes, builds and the runtime. Knows no engine and no family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from edgekit.data.reading import AS_FOUND, Reading
from edgekit.data.rows import Row
from edgekit.errors import EdgekitError
from edgekit.tables import Family
from edgekit.wording.suggestions import did_you_mean


class ReadRows(Protocol):
    """Reads a file of the task's rows; raises DataError."""

    def __call__(
        self, path: Path, *, slices: tuple[str, ...] = (), reading: Reading = AS_FOUND
    ) -> list[Row]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The light half of a task: `TASK` of its task.py, found through tables.TASKS."""

    must: frozenset[str]
    """Keys of a recipe's `must` that have a meaning."""
    metrics: frozenset[str] = frozenset()
    """Values of `must.metric`."""
    judged_on: Mapping[str, str] = field(default_factory=dict)
    """Keys of `must` that are judged on rows other than data.test, and the key of `data` for these.
    """
    meaningless: Mapping[str, str] = field(default_factory=dict)
    """Keys of a recipe without a meaning, as `a.b`, and why: nothing is ignored silently."""
    read_rows: ReadRows
    heads: Mapping[Family, str]
    """The families of its checkpoints, and the output exported from each: a key of tables.HEADS."""
    without: Mapping[Family, frozenset[str]] = field(default_factory=dict)
    """Steps that a checkpoint of a family could take but that have no meaning for the task."""
    engines: Mapping[str, str]
    """The formats of its artifacts, and what opens each: `module:function`, which takes the
    artifact, its checked files and an Asked, and returns a runtime.engine.Engine."""
    spec: str | None = None
    """The part of the manifest's `model` that only its artifacts have."""
    may_have: frozenset[str] = frozenset()
    """Other such parts, that some of its artifacts have."""
    pairs: bool = False
    """Whether its rows may be pairs of texts."""
    directed: bool = False
    """Whether what it calls a language is a direction, from one language into another."""


Kind = Literal["text", "number", "integer", "boolean"]
"""What a column of answers holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a task makes of the texts of a table: `bind` of its batch.py, bound to options."""

    columns: Mapping[str, Kind]
    """The columns of an answer; a text without one leaves all of them empty."""
    answer: Callable[[Any, str], Mapping[str, Any]]
    """A loaded model's answer to one text, by column; an error that the text is the reason of is
    an EdgekitError."""
    side_by_side: bool
    """Whether texts are answered one on each core, rather than one after the other on all."""


class Bind(Protocol):
    """Checks a program's options and says what will be answered, before a model is loaded."""

    def __call__(self, options: Mapping[str, Any]) -> Batch: ...


def known_options(options: Mapping[str, Any], known: Mapping[str, type], what: str) -> None:
    """Raises EdgekitError for an option that a task does not have, or of another type."""
    for name, value in options.items():
        if name not in known:
            raise EdgekitError(
                f"There is no option '{name}' for {what}.{did_you_mean(name, list(known))}"
            )
        if not isinstance(value, known[name]) or isinstance(value, bool):
            raise EdgekitError(
                f"The option '{name}' for {what} must be of the type {known[name].__name__}, not "
                f"{type(value).__name__}."
            )

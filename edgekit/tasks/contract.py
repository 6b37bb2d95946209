"""What a task declares to recipes, builds and the runtime. Knows no engine and no family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from edgekit.data.rows import Row
from edgekit.tables import Family


class ReadRows(Protocol):
    """Reads a file of the task's rows; raises DataError."""

    def __call__(self, path: Path, *, slices: tuple[str, ...] = ()) -> list[Row]: ...


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
    may_have: str | None = None
    """Another such part, that some of its artifacts have."""

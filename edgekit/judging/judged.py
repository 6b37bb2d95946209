"""The result of judging an exported model: every part of an artifact that its task decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Bars = Callable[..., AbstractContextManager[Callable[[str, float], None]]]
"""Shows a progress bar for each of the given names; yields the function that moves one of them."""


@dataclass(frozen=True, slots=True)
class Judged:
    files: Mapping[str, Path]
    """The model's files by their names in the artifact; weights first."""
    golden: Mapping[str, Any]
    """Inputs and the answers that they must give."""
    model: Mapping[str, Any]
    """Fields of the manifest's `model`."""
    ram_bytes: int
    """Memory of a process that answers."""
    quality: Mapping[str, Any]
    """The judgement on the test set, without its texts; empty if there is no test set."""
    beside: Mapping[str, Mapping[str, Any] | str] = field(default_factory=dict)
    """Files for other programs by their names in the artifact, as JSON or as text; edgekit reads
    none of them."""
    flips: Sequence[Mapping[str, str]] = ()
    """Rows whose answers changed, with their texts: for the report, not for the artifact."""
    measured: Mapping[str, Any] = field(default_factory=dict)
    """What depends on this machine and this run: for measured.json and the report, never for the
    artifact."""

"""What judging an exported model gives: all of an artifact that its task decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Bars = Callable[..., AbstractContextManager[Callable[[str, float], None]]]
"""Given names, shows a bar for each, and is told how far each is."""


@dataclass(frozen=True, slots=True)
class Judged:
    files: Mapping[str, Path]
    """What the artifact holds of the model, by the names that it has there; weights first."""
    golden: Mapping[str, Any]
    """Inputs and the answers that they must give."""
    model: Mapping[str, Any]
    """Fields of the manifest's `model`."""
    ram_bytes: int
    """Memory of a process that answers."""
    quality: Mapping[str, Any]
    """The judgement of the test set, without its texts; empty where there is no test set."""
    flips: Sequence[Mapping[str, str]] = ()
    """Rows whose answers changed, with their texts: for the report, not for the artifact."""

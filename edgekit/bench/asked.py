"""The settings of `edgekit bench`, whatever the artifact's task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.artifact import folder as artifacts
from edgekit.data.rows import read_texts
from edgekit.runtime import golden

OnProgress = Callable[[float], None]
QUICK_TEXTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    artifact: Path
    against: Path | None
    """The teacher's checkpoint."""
    data: Path | None
    baseline: bool
    """Also compare with optimum's int8."""
    quick: bool
    """For a result in seconds: QUICK_TEXTS texts, and nothing that takes a minute to make."""
    threads: int
    rounds: int

    def texts(self) -> list[str]:
        """The texts of the data, or the golden inputs."""
        if self.data is not None:
            return list(read_texts([self.data]))
        artifact = artifacts.read(self.artifact)
        found = golden.read(artifacts.read_file(artifact, golden.GOLDEN), artifact.manifest)
        return found.texts()

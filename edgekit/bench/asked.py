"""The settings of `edgekit bench`, whatever the artifact's task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.artifact import folder as artifacts
from edgekit.data.inputs import Input
from edgekit.data.rows import read_inputs
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

    def texts(self) -> list[Input]:
        """The texts or pairs of the data, or the golden inputs."""
        artifact = artifacts.read(self.artifact)
        if self.data is not None:
            return list(read_inputs([self.data], pairs=artifact.manifest.model.pairs))
        found = golden.read(artifacts.read_file(artifact, golden.GOLDEN), artifact.manifest)
        return list(found.texts())

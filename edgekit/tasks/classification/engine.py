"""The interface of a loaded classifier, in this process or in a worker. Knows no format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from edgekit.artifact.manifest import Manifest
from edgekit.data.inputs import Input
from edgekit.errors import ArtifactError
from edgekit.runtime.engine import Engine


class Classifier(Engine, Protocol):
    """Safe to call from several threads."""

    @property
    def workers(self) -> int:
        """How many texts to run at the same time, if there are many."""

    def logits(self, given: Input, *, alone: bool) -> tuple[np.ndarray, int]:
        """Logits of shape (labels,), float32, and the number of windows the text, or the pair, was
        read in.

        `alone` says that no other text runs at the same time, so that it may use more threads.
        """

    def several(self, given: Sequence[Input]) -> list[tuple[np.ndarray, int]]:
        """What `logits` gives for each by one thread, one after the other, to the bit."""


def run(
    engine: Classifier, manifest: Manifest, given: Input, *, alone: bool
) -> tuple[np.ndarray, int]:
    """`engine.logits`, checked to be one for each label; any other model would answer nonsense."""
    return _checked(manifest, *engine.logits(given, alone=alone))


def run_several(
    engine: Classifier, manifest: Manifest, given: Sequence[Input]
) -> list[tuple[np.ndarray, int]]:
    """`engine.several`, checked as in `run`."""
    return [_checked(manifest, logits, parts) for logits, parts in engine.several(given)]


def _checked(manifest: Manifest, logits: np.ndarray, parts: int) -> tuple[np.ndarray, int]:
    if logits.shape != (len(manifest.labels),):
        raise ArtifactError(
            f"The model '{manifest.name}' gives {logits.size} scores for "
            f"{len(manifest.labels)} labels; build it again."
        )
    return logits, parts

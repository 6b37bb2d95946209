"""What a model does for the runtime, wherever it runs."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edgekit.errors import ArtifactError
from edgekit.manifest import Manifest


class Engine(Protocol):
    """A classifier that is ready to answer; safe to call from several threads."""

    @property
    def workers(self) -> int:
        """How many texts to run at the same time, where there are many."""

    @property
    def version(self) -> str:
        """The packages whose versions decide what is answered."""

    def logits(self, text: str, *, alone: bool) -> tuple[np.ndarray, int]:
        """Logits of shape (labels,), float32, and the number of windows the text was read in.

        `alone` says that no other text is run beside this one, so that it may use more threads.
        """

    def close(self) -> None:
        """Frees everything; nothing is running any more."""


def run(engine: Engine, manifest: Manifest, text: str, *, alone: bool) -> tuple[np.ndarray, int]:
    """`engine.logits`, one for each label; a model with others would answer anything."""
    logits, parts = engine.logits(text, alone=alone)
    if logits.shape != (len(manifest.labels),):
        raise ArtifactError(
            f"The model '{manifest.name}' gives {logits.size} scores for "
            f"{len(manifest.labels)} labels; build it again."
        )
    return logits, parts

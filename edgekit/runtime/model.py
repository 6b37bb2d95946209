"""An artifact, loaded: the verbs that a program calls. Knows engines by their interface alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np

from edgekit.artifact import Manifest, read
from edgekit.errors import DataError, EdgekitError
from edgekit.runtime.engine import Engine, run
from edgekit.runtime.gate import Gate
from edgekit.runtime.isolated import IsolatedEngine
from edgekit.runtime.opening import open_engine
from edgekit.runtime.parallel import in_order
from edgekit.tasks.classification import Answer, answer


def load(
    folder: str | os.PathLike[str],
    *,
    threads: int | None = None,
    max_ram: str | None = None,
    isolate: bool = False,
) -> Model:
    """What `edgekit.load` does; its settings are explained there."""
    artifact = read(Path(folder))
    if threads is not None and threads < 1:
        raise EdgekitError(f"A model cannot run on {threads} threads; give 1 or more.")
    opened = IsolatedEngine if isolate else open_engine
    return Model(artifact.manifest, opened(artifact, threads=threads, max_ram=max_ram))


class Model:
    """Answers from one artifact. Safe to use from several threads; close it, or use `with`."""

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self.manifest = manifest
        self._engine = engine
        self._gate = Gate()

    @overload
    def classify(  # type: ignore[overload-overlap]
        self, texts: str, *, abstain_below: float | None = None
    ) -> Answer: ...

    @overload
    def classify(
        self, texts: Iterable[str], *, abstain_below: float | None = None
    ) -> Generator[Answer, None, None]: ...

    def classify(
        self, texts: str | Iterable[str], *, abstain_below: float | None = None
    ) -> Answer | Generator[Answer, None, None]:
        """The label of a text with its scores; for an iterable an iterator of these, in order.

        The iterator is lazy and reads a few texts ahead, so that the iterable may be endless;
        closing it stops the work. `abstain_below` stands in for the artifact's own. A text longer
        than the model's window is read in parts, whose mean decides, and `parts` counts them.
        """
        floor = self.manifest.model.abstain_below if abstain_below is None else abstain_below
        if not 0 <= floor <= 1:
            raise EdgekitError(f"abstain_below must be from 0 to 1, not {floor}.")
        return self._each(partial(self._answer, abstain_below=floor), texts)

    @overload
    def logits(self, texts: str) -> np.ndarray: ...  # type: ignore[overload-overlap]

    @overload
    def logits(self, texts: Iterable[str]) -> Generator[np.ndarray, None, None]: ...

    def logits(self, texts: str | Iterable[str]) -> np.ndarray | Generator[np.ndarray, None, None]:
        """What `classify` decides by: float32 of shape (labels,), before the temperature."""
        return self._each(self._logits, texts)

    def close(self) -> None:
        """Frees the model; waits for calls that run, and later ones raise WorkerError."""
        if self._gate.shut():
            self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _each(self, function: Callable[..., Any], texts: str | Iterable[str]) -> Any:
        if isinstance(texts, str):
            return function(texts, alone=True)
        if isinstance(texts, bytes) or not isinstance(texts, Iterable):
            raise DataError(f"Give a text or an iterable of texts, not {type(texts).__name__}.")
        return in_order(partial(function, alone=False), texts, workers=self._engine.workers)

    def _answer(self, text: str, *, alone: bool, abstain_below: float) -> Answer:
        logits, parts = self._run(text, alone=alone)
        return answer(
            logits,
            self.manifest.labels,
            temperature=self.manifest.model.temperature,
            abstain_below=abstain_below,
            parts=parts,
        )

    def _logits(self, text: str, *, alone: bool) -> np.ndarray:
        return self._run(text, alone=alone)[0]

    def _run(self, text: str, *, alone: bool) -> tuple[np.ndarray, int]:
        if not isinstance(text, str):
            raise DataError(f"A text must be a string, not {type(text).__name__}.")
        if not text.strip():
            raise DataError("A text is empty, so it has no label; leave it out.")
        with self._gate.passing():
            return run(self._engine, self.manifest, text, alone=alone)

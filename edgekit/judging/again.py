"""Judges a chat artifact once more, on rows of your own; the step store keeps what took long."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import installed, machine
from edgekit.artifact import Artifact
from edgekit.digest import sha256_folder, sha256_json
from edgekit.errors import CheckpointError, MissingExtra
from edgekit.evaluate_chat import ChatMust, judge, measure
from edgekit.export import format_module
from edgekit.export.llama import divergence, documents, predicting
from edgekit.export.llama.predicting import Predictions
from edgekit.job import Make, OnProgress, OutputJob
from edgekit.judging.chat import MODEL, PACKAGES, VERSION, WINDOW
from edgekit.store import PROGRESS, Finished, Store
from edgekit.tasks.rows import Row

OnPart = Callable[[str, float], None]
"""Hears what is being done, and how much of it is done."""


def evaluate(
    artifact: Artifact, rows: Sequence[Row], *, against: Path | None, store: Store, on_part: OnPart
) -> dict[str, Any]:
    """What `edgekit evaluate --json` prints; without a teacher there is no verdict.

    Raises CheckpointError for a teacher that reads texts as other tokens than the artifact.
    """
    return _Evaluation(artifact, rows, store, on_part).run(against)


class _Evaluation:
    def __init__(
        self, artifact: Artifact, rows: Sequence[Row], store: Store, on_part: OnPart
    ) -> None:
        self.manifest, self.rows = artifact.manifest, rows
        self.store, self.on_part = store, on_part
        self.model = artifact.path(MODEL)
        self.window = min(WINDOW, self.manifest.model.max_tokens)
        self.packages = {name: _version(name, extra) for name, extra in PACKAGES.items()}
        self.documents = documents.read(self.model, rows, window=self.window)

    def run(self, against: Path | None) -> dict[str, Any]:
        digest = self.manifest.file(MODEL).sha256
        languages = self.manifest.languages
        if against is None:
            found = self._predictions("artifact", self.model, digest, at=None)
            alone = Predictions.read(found)
            nll, row_of = -alone.next.astype(np.float64), self._row_of(alone.lengths)
            return measure(self.rows, nll, row_of, languages=languages)
        teacher, teacher_digest = self._half(against)
        parent = self._predictions("teacher", teacher, teacher_digest, at=None)
        other = self._predictions("artifact", self.model, digest, at=parent, of=teacher_digest)
        compared = divergence.compare(parent, other)
        return judge(
            self.rows,
            compared.tokenwise(),
            self._row_of(compared.lengths),
            languages=languages,
            must=_must(self.manifest.recipe.get("must", {})),
            seed=int(self.manifest.recipe.get("seed", 0)),
        )

    def _half(self, checkpoint: Path) -> tuple[Path, str]:
        """The teacher as the same kind of file, in 16 bits; the digest of its entry."""
        job = OutputJob(
            checkpoint=checkpoint,
            checkpoint_digest=sha256_folder(checkpoint),
            rows=self.rows,
            rows_digest=sha256_json([row.text for row in self.rows]),
            prefix="",
            max_tokens=self.manifest.model.max_tokens,
            packages=self.packages,
            run=self._run,
        )
        half: Finished = format_module("gguf").half(job)
        model = half.folder / MODEL
        if documents.read(model, self.rows, window=self.window).tokens != self.documents.tokens:
            raise CheckpointError(
                f"{checkpoint}: it reads the texts as other tokens than the artifact does; name "
                "the teacher that it was made from."
            )
        return model, half.digest

    def _predictions(
        self, side: str, model: Path, digest: str, *, at: Path | None, of: str | None = None
    ) -> Path:
        """Of all windows; `at` are the teacher's, which the entry `of` was the model for."""

        def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
            return predicting.predict(
                model,
                self.documents.tokens,
                out / "predictions.npz",
                threads=machine.cores(),
                on_progress=on_progress,
                at=at,
                progress=out / PROGRESS,
            )

        inputs = {
            "model": digest,
            "teacher": of,
            "tokens": sha256_json(self.documents.tokens),
            "version": VERSION,
            "packages": self.packages,
        }
        return self._run(side, inputs, make).folder / "predictions.npz"

    def _row_of(self, lengths: np.ndarray) -> np.ndarray:
        return np.repeat(self.documents.rows, lengths)

    def _run(self, name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
        def work(out: Path) -> Mapping[str, Any]:
            return make(out, lambda fraction: self.on_part(name, fraction))

        return self.store.run(f"evaluate-{name}", inputs, work)


def _must(asked: Mapping[str, Any]) -> ChatMust:
    """What is asked of predictions; `keep` is of questions, which are not here."""
    return ChatMust(**{key: limit for key, limit in asked.items() if key != "keep"})


def _version(package: str, extra: str) -> str:
    if (found := installed.version(package)) is None:
        raise MissingExtra(package, extra)
    return found

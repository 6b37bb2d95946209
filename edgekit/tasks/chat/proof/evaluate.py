"""Judges a chat artifact again, on rows of your own; the step store keeps what took long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact.folder import Artifact, verify_for_load
from edgekit.data.rows import Row
from edgekit.export.gguf import documents
from edgekit.export.gguf.documents import Documents
from edgekit.export.gguf.predicting import Predictions
from edgekit.job.job import OnProgress, OutputJob
from edgekit.judging.again import OnPart, run_stored
from edgekit.judging.judged import Bars
from edgekit.store.store import Finished, Store
from edgekit.system import packages, paths
from edgekit.system.digest import sha256_folder, sha256_json
from edgekit.tables import format_module
from edgekit.tasks.chat.proof import comparing
from edgekit.tasks.chat.proof.judge import MODEL, PACKAGES, VERSION, WINDOW
from edgekit.tasks.chat.proof.quality import ChatMust, judge, measure


def evaluate(
    artifact: Artifact, rows: Sequence[Row], *, against: Path | None, progress: Bars
) -> dict[str, Any]:
    """What `edgekit evaluate --json` prints: only the perplexity, or with a teacher the divergence
    from it and the verdict.

    Raises CheckpointError for a teacher that tokenizes texts differently from the artifact.
    """
    verify_for_load(artifact)
    with progress() as told, Store(paths.store_dir()) as store:
        return _Evaluation(artifact, rows, store, told).run(against)


class _Evaluation:
    def __init__(
        self, artifact: Artifact, rows: Sequence[Row], store: Store, on_part: OnPart
    ) -> None:
        self.manifest, self.rows = artifact.manifest, rows
        self._run = run_stored(store, on_part)
        self.model = artifact.path(MODEL)
        self.window = min(WINDOW, self.manifest.model.max_tokens)
        self.packages = {name: packages.required(name, extra) for name, extra in PACKAGES.items()}

    def run(self, against: Path | None) -> dict[str, Any]:
        digest = self.manifest.file(MODEL).sha256
        if against is None:
            read = documents.read(self.model, self.rows, window=self.window)
            alone = Predictions.read(self._predictions("artifact", self.model, digest, read))
            return measure(
                self.rows,
                -alone.next.astype(np.float64),
                np.repeat(read.rows, alone.lengths),
                languages=self.manifest.languages,
            )
        parent, parent_digest = self._parent(against)
        languages = self.manifest.languages
        read_by_both = self._compared(parent, parent_digest, digest)
        found, said = comparing.compare(parent, read_by_both, languages=languages)
        quality = judge(
            self.rows,
            found,
            parent.row_of,
            languages=languages,
            must=_must(self.manifest.recipe.get("must", {})),
            seed=int(self.manifest.recipe.get("seed", 0)),
        )
        return {**quality, **said}

    def _parent(self, checkpoint: Path) -> tuple[comparing.Parent, str]:
        """The teacher as a file of the same kind, in 16 bits, and the digest of its entry."""
        job = OutputJob(
            checkpoint=checkpoint,
            checkpoint_digest=sha256_folder(checkpoint),
            rows=self.rows,
            rows_digest=sha256_json([row.text for row in self.rows]),
            prefix="",
            max_tokens=self.manifest.model.max_tokens,
            packages=self.packages,
            run=self._run,
            head="tokens",
            languages=self.manifest.languages,
        )
        half: Finished = format_module("gguf").half(job)
        model = half.folder / MODEL
        read = documents.read(model, self.rows, window=self.window)
        predictions = self._predictions("teacher", model, half.digest, read)
        return comparing.Parent(model, self.rows, read, predictions, self.window), half.digest

    def _predictions(self, side: str, model: Path, digest: str, read: Documents) -> Path:
        """One model's predictions of all windows."""

        def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
            return comparing.predict(model, read.tokens, out, on_progress)

        inputs = self._inputs(digest, None, read)
        return self._run(side, inputs, make).folder / comparing.PREDICTIONS

    def _compared(self, parent: comparing.Parent, of: str, digest: str) -> Path:
        """What `comparing.compare` reads; `of` is the entry with the parent's model."""

        def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
            return comparing.read(self.model, parent, out, on_progress)

        return self._run("artifact", self._inputs(digest, of, parent.documents), make).folder

    def _inputs(self, digest: str, teacher: str | None, read: Documents) -> dict[str, Any]:
        return {
            "model": digest,
            "teacher": teacher,
            "tokens": sha256_json(read.tokens),
            "version": VERSION,
            "packages": self.packages,
        }


def _must(asked: Mapping[str, Any]) -> ChatMust:
    """What must hold for predictions; `keep` is about questions, which are not judged here."""
    return ChatMust(**{key: limit for key, limit in asked.items() if key != "keep"})

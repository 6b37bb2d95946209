"""Judges a classifier again, on rows of your own. Builds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import edgekit
from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.data.inputs import Input
from edgekit.data.rows import Row, check_pairs
from edgekit.errors import DataError, MissingExtra
from edgekit.judging.judged import Bars
from edgekit.tasks.classification.proof.quality import flip_rows, judge_artifact, recorded


def evaluate(
    artifact: Artifact, rows: Sequence[Row], *, against: Path | None, progress: Bars
) -> dict[str, Any]:
    """What `edgekit evaluate --json` prints: the metrics, and with a teacher the flips, with their
    rows, and the verdict."""
    _check_kind(artifact.manifest, rows)
    manifest, texts = artifact.manifest, [row.input for row in rows]
    with edgekit.load(artifact.folder) as model:
        logits = _stack(model.logits(texts), len(texts), progress)
    teacher = None if against is None else _teacher(against, texts, manifest, progress)
    result = judge_artifact(manifest, rows, logits, teacher)
    if teacher is None:
        return result
    flips = flip_rows(
        rows, logits, manifest.labels, teacher_logits=teacher, scorings=recorded(manifest)
    )
    return {**result, "flip_rows": flips}


def _check_kind(manifest: Manifest, rows: Sequence[Row]) -> None:
    """Raises DataError for rows of single texts where the artifact takes pairs, and the reverse."""
    if rows and check_pairs(rows) is not manifest.model.pairs:
        takes, lack = ("pairs of texts", "no") if manifest.model.pairs else ("single texts", "a")
        raise DataError(
            f"{rows[0].place}: '{manifest.name}' takes {takes}, and the rows have {lack} second "
            "text (column 'text_pair'); give rows of the other kind, or another artifact."
        )


def _stack(answers: Iterable[np.ndarray], count: int, progress: Bars) -> np.ndarray:
    with progress("artifact") as told:
        found = []
        for logits in answers:
            found.append(logits)
            told("artifact", len(found) / count)
        return np.stack(found)


def _teacher(
    checkpoint: Path, texts: Sequence[Input], manifest: Manifest, progress: Bars
) -> np.ndarray:
    """The teacher's logits in fp32, in the order of the artifact's labels."""
    try:
        from edgekit.tasks.classification.proof import teacher_labels
        from edgekit.training import predict  # torch
    except ModuleNotFoundError as error:
        raise MissingExtra(str(error.name), "compress") from error
    order = teacher_labels.order(checkpoint, manifest)
    with progress("teacher") as told:
        logits = predict.logits(
            checkpoint,
            texts,
            prefix=manifest.model.prefix,
            max_tokens=manifest.model.max_tokens,
            on_progress=lambda fraction: told("teacher", fraction),
        )
    return logits[:, order]

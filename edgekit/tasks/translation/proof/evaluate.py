"""Judges a translator again, on rows of your own; the step store keeps what took long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import edgekit
from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.checkpoint import frames
from edgekit.checkpoint.describe import describe
from edgekit.data.rows import Row
from edgekit.errors import CheckpointError, DataError
from edgekit.job.job import OutputJob
from edgekit.judging.again import OnPart, run_stored
from edgekit.judging.judged import Bars
from edgekit.store.store import Store
from edgekit.system import packages, paths
from edgekit.system.digest import sha256_folder, sha256_json
from edgekit.tables import Family
from edgekit.tasks.translation.proof.judge import PACKAGES, teacher_of
from edgekit.tasks.translation.proof.quality import TranslationMust, judge
from edgekit.tasks.translation.task import TASK
from edgekit.wording.directions import split


def evaluate(
    artifact: Artifact, rows: Sequence[Row], *, against: Path | None, progress: Bars
) -> dict[str, Any]:
    """What `edgekit evaluate --json` prints, by the artifact's own languages and `must`: chrF and
    BLEU; with a teacher, also the share kept and the verdict."""
    manifest = artifact.manifest
    for row in rows:
        if row.language not in manifest.languages:
            raise DataError(
                f"{row.place}: this row is not in a direction of the artifact "
                f"({', '.join(manifest.languages)}); name its languages in the columns 'from' and "
                "'to', or leave it out."
            )
    with progress("artifact") as told, edgekit.load(artifact.folder) as model:
        found = []
        for row in rows:
            source, target = split(str(row.language)) or ("", "")
            found.append(model.translate(row.text, to=target, from_=source).text)
            told("artifact", len(found) / len(rows))
    teacher = None
    if against is not None:
        with progress("teacher") as told, Store(paths.store_dir()) as store:
            teacher = _teacher(manifest, rows, against, store=store, on_part=told)
    return judge(
        rows,
        found,
        teacher=teacher,
        languages=manifest.languages,
        must=TranslationMust(**manifest.recipe.get("must", {})),
        seed=int(manifest.recipe.get("seed", 0)),
    )


def _teacher(
    manifest: Manifest, rows: Sequence[Row], checkpoint: Path, *, store: Store, on_part: OnPart
) -> Sequence[str]:
    """The teacher's translations, in fp32. Raises CheckpointError for one of another kind."""
    if describe(checkpoint).family is not Family.SEQ2SEQ:
        raise CheckpointError(
            f"{checkpoint}: the artifact '{manifest.name}' was not made from a model of this kind; "
            "name the teacher that it was made from."
        )

    job = OutputJob(
        checkpoint=checkpoint,
        checkpoint_digest=sha256_folder(checkpoint),
        rows=rows,
        rows_digest=sha256_json([row.text for row in rows]),
        prefix="",
        max_tokens=manifest.model.max_tokens,
        packages={name: packages.required(name, extra) for name, extra in PACKAGES.items()},
        run=run_stored(store, on_part),
        head=TASK.heads[Family.SEQ2SEQ],
        languages=manifest.languages,
        frames=frames.of(checkpoint, manifest.languages),
    )
    return teacher_of(rows, job)

"""Judges a summarizer again, on rows of your own; the step store keeps what took long."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import edgekit
from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.artifact.specs import SummarySpec
from edgekit.checkpoint.describe import describe
from edgekit.data.rows import Row
from edgekit.errors import ArtifactError, CheckpointError
from edgekit.job.job import OutputJob
from edgekit.judging.again import OnPart, run_stored
from edgekit.judging.judged import Bars
from edgekit.store.store import Store
from edgekit.system import packages, paths
from edgekit.system.digest import sha256_folder, sha256_json
from edgekit.tables import Family
from edgekit.tasks.summarization.proof.judge import ENGINES, PACKAGES
from edgekit.tasks.summarization.proof.quality import SummaryMust, judge
from edgekit.tasks.summarization.task import TASK


def evaluate(
    artifact: Artifact, rows: Sequence[Row], *, against: Path | None, progress: Bars
) -> dict[str, Any]:
    """What `edgekit evaluate --json` prints, by the artifact's own languages and `must`: ROUGE and
    chrF beside a lead; with a teacher, also the share kept and the verdict."""
    manifest = artifact.manifest
    spec = manifest.model.summary
    if spec is None:
        raise ArtifactError(f"{artifact.folder}: it does not say how it summarizes; build again.")
    with progress("artifact") as told, edgekit.load(artifact.folder) as model:
        summaries = []
        for row in rows:
            summaries.append(model.summarize(row.text).text)
            told("artifact", len(summaries) / len(rows))
    teacher = None
    if against is not None:
        with progress("teacher") as told, Store(paths.store_dir()) as store:
            teacher = _teacher(manifest, spec, rows, against, store=store, on_part=told)
    return judge(
        rows,
        summaries,
        teacher=teacher,
        languages=manifest.languages,
        must=SummaryMust(**manifest.recipe.get("must", {})),
        seed=int(manifest.recipe.get("seed", 0)),
    )


def _teacher(
    manifest: Manifest,
    spec: SummarySpec,
    rows: Sequence[Row],
    checkpoint: Path,
    *,
    store: Store,
    on_part: OnPart,
) -> Sequence[str]:
    """The teacher's summaries, in fp32. Raises CheckpointError for one of another engine."""
    if (spec.engine == "seq2seq") != (describe(checkpoint).family is Family.SEQ2SEQ):
        raise CheckpointError(
            f"{checkpoint}: the artifact '{manifest.name}' was not made from a model of this kind; "
            "name the teacher that it was made from."
        )

    job = OutputJob(
        checkpoint=checkpoint,
        checkpoint_digest=sha256_folder(checkpoint),
        rows=rows,
        rows_digest=sha256_json([row.text for row in rows]),
        prefix=manifest.model.prefix,
        max_tokens=manifest.model.max_tokens,
        packages={name: packages.required(name, extra) for name, extra in PACKAGES.items()},
        run=run_stored(store, on_part),
        head=TASK.heads[Family.SEQ2SEQ if spec.engine == "seq2seq" else Family.ENCODER],
        languages=manifest.languages,
    )
    return ENGINES[spec.engine].teacher(
        job, [row.text for row in rows], spec.words, lambda done: on_part("teacher", done)
    )

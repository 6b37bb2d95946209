"""What `edgekit bench` measures and shows of a summarizer, compared with its teacher in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.artifact import folder as artifacts
from edgekit.bench import table
from edgekit.bench.asked import QUICK_TEXTS, Asked, OnProgress
from edgekit.bench.child import SidePlan
from edgekit.bench.measure import machine_now, measure, torch_plan
from edgekit.bench.table import Table
from edgekit.data.inputs import Input
from edgekit.errors import ArtifactError, EdgekitError

MAX_TEXTS = 40
"""Summarizing takes far longer than labelling."""
_SIDES = "edgekit.tasks.summarization.proof.sides"


def run(asked: Asked, *, on_progress: OnProgress) -> dict[str, Any]:
    """What `bench --json` prints."""
    if asked.baseline:
        raise EdgekitError(
            "--baseline is for classifiers; a summarizer is compared with its teacher in PyTorch."
        )
    return bench(
        asked.artifact,
        asked.texts(),
        against=asked.against,
        threads=asked.threads,
        rounds=asked.rounds,
        most=QUICK_TEXTS if asked.quick else MAX_TEXTS,
        on_progress=on_progress,
    )


def bench(
    folder: Path,
    texts: Sequence[Input],
    *,
    against: Path | None = None,
    threads: int = 2,
    rounds: int = 5,
    most: int = MAX_TEXTS,
    on_progress: OnProgress = lambda fraction: None,
) -> dict[str, Any]:
    """Measures both sides on at most `most` of `texts`; `against` is the teacher's checkpoint."""
    artifact, machine = artifacts.read(folder), machine_now()
    plans = [SidePlan.of_artifact(artifact, _SIDES, "artifact", {"threads": threads})]
    if against is not None:
        plans.append(_teacher_plan(against, artifact, threads))
    return measure(
        artifact,
        plans,
        texts,
        most=most,
        machine=machine,
        threads=threads,
        rounds=rounds,
        on_progress=on_progress,
    )


def _teacher_plan(checkpoint: Path, artifact: artifacts.Artifact, threads: int) -> SidePlan:
    summary = artifact.manifest.model.summary
    if summary is None:
        raise ArtifactError(f"{artifact.folder}: it says nothing of its summaries; build it again.")
    plan = torch_plan(checkpoint, artifact.manifest, _SIDES, threads=threads)
    written = {"words": summary.words, "generation": dict(summary.generation)}
    return replace(plan, request={**plan.request, **written})


def shown(result: Mapping[str, Any]) -> Iterator[Table | str]:
    yield table.of_texts(
        {
            "a text": lambda one: f"{one['p50_ms'] / 1000:.2f} s",
            "CPU": lambda one: f"{one['cpu_ms'] / 1000:.2f} s",
            "first words": lambda one: f"{one.get('first_words_ms', 0) / 1000:.2f} s",
            "writes": lambda one: f"{one.get('tokens_per_s', 0):,.0f} tokens/s",
        },
        result,
    )
    yield from table.beside_teacher(result)

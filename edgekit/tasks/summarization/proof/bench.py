"""What `edgekit bench` measures and shows of a summarizer, compared with its teacher in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.bench import table
from edgekit.bench.asked import Asked, OnProgress
from edgekit.bench.child import SidePlan
from edgekit.bench.measure import measure, torch_plan
from edgekit.bench.table import Table
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
    return measure(
        asked,
        asked.texts(),
        sides=_SIDES,
        most=MAX_TEXTS,
        teacher=partial(_teacher, threads=asked.threads),
        on_progress=on_progress,
    )


def _teacher(artifact: Artifact, checkpoint: Path, *, threads: int) -> list[SidePlan]:
    summary = artifact.manifest.model.summary
    if summary is None:
        raise ArtifactError(f"{artifact.folder}: it says nothing of its summaries; build it again.")
    plan = torch_plan(checkpoint, artifact.manifest, _SIDES, threads=threads)
    written = {"words": summary.words, "generation": dict(summary.generation)}
    return [replace(plan, request={**plan.request, **written})]


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

"""What `edgekit bench` measures and shows of a translator, compared with its teacher in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgekit.artifact import folder as artifacts
from edgekit.artifact.folder import Artifact
from edgekit.bench import table
from edgekit.bench.asked import Asked, OnProgress
from edgekit.bench.child import SidePlan
from edgekit.bench.measure import measure, torch_plan
from edgekit.bench.table import Table
from edgekit.checkpoint import frames
from edgekit.data.inputs import Input
from edgekit.data.rows import read_translations, told_language
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.runtime import golden as runtime_golden
from edgekit.tasks.translation import golden
from edgekit.wording.language_names import language_name

MAX_TEXTS = 60
"""Translating takes far longer than labelling."""
_SIDES = "edgekit.tasks.translation.proof.sides"


def run(asked: Asked, *, on_progress: OnProgress) -> dict[str, Any]:
    """What `bench --json` prints."""
    if asked.baseline:
        raise EdgekitError(
            "--baseline is for classifiers; a translator is compared with its teacher in PyTorch."
        )
    artifact = artifacts.read(asked.artifact)
    result = measure(
        asked,
        _texts(artifact, asked.data),
        sides=_SIDES,
        most=MAX_TEXTS,
        teacher=partial(_teacher, threads=asked.threads),
        on_progress=on_progress,
    )
    return {**result, "direction": artifact.manifest.languages[0]}


def _texts(artifact: Artifact, path: Path | None) -> list[Input]:
    """The texts in the artifact's first direction, of the data or of the self-test."""
    first, known = artifact.manifest.languages[0], artifact.manifest.languages
    if path is not None:
        rows = told_language(read_translations(path), known)
        found = [(row.text, row.language) for row in rows]
    else:
        data = artifacts.read_file(artifact, runtime_golden.GOLDEN)
        found = list(golden.read(data, artifact.manifest).inputs)
    texts: list[Input] = [text for text, name in found if name == first]
    if not texts:
        raise EdgekitError(f"There are no texts from {first.replace('→', ' to ')} to measure with.")
    return texts


def _teacher(artifact: Artifact, checkpoint: Path, *, threads: int) -> list[SidePlan]:
    spec = artifact.manifest.model.translation
    if spec is None:
        raise ArtifactError(f"{artifact.folder}: it says nothing of its languages; build it again.")
    plan = torch_plan(checkpoint, artifact.manifest, _SIDES, threads=threads)
    name = artifact.manifest.languages[0]
    written = {
        "direction": name,
        "frame": asdict(frames.of(checkpoint, [name])[name]),
        "generation": dict(spec.generation),
    }
    return [replace(plan, request={**plan.request, **written})]


def shown(result: Mapping[str, Any]) -> Iterator[Table | str]:
    yield table.of_texts(
        {
            "a text": lambda one: f"{one['p50_ms']:.0f} ms",
            "CPU": lambda one: f"{one['cpu_ms']:.0f} ms",
            "writes": lambda one: f"{one.get('tokens_per_s', 0):,.0f} tokens/s",
        },
        result,
    )
    yield f"\nFrom {language_name(result['direction']).replace('→', 'to')}."
    yield from table.beside_teacher(result)

"""A made-up output format: the label that is the most frequent, whatever the text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.artifact.folder import Artifact, read_file
from edgekit.job.cost import Cost
from edgekit.job.job import Exported, OnProgress, OutputJob, Planned
from edgekit.recipe.settings import Settings
from edgekit.runtime.engine import Asked

MODEL = "model.json"


class PlainSettings(Settings):
    """It has none."""


SETTINGS = PlainSettings


def cost(settings: PlainSettings, planned: Planned) -> Cost:
    return Cost(seconds=0.0, peak_bytes=1, disk_bytes=1)


def run(settings: PlainSettings, job: OutputJob) -> Exported:
    def make(out: Path, on_progress: OnProgress) -> Mapping[str, Any]:
        [(label, _)] = Counter(str(row.label) for row in job.rows).most_common(1)
        (out / MODEL).write_text(json.dumps(label), encoding="utf-8")
        return {}

    done = job.run("plain-export", job.inputs(1), make)
    return Exported(done.folder / MODEL, "none", {})


class Plain:
    version, workers = "plain 1", 1

    def __init__(self, labels: tuple[str, ...], label: str) -> None:
        self._logits = np.array([float(one == label) for one in labels], dtype=np.float32)

    def logits(self, text: str, *, alone: bool) -> tuple[np.ndarray, int]:
        return self._logits, 1

    def close(self) -> None:
        """Nothing is open."""


def open_plain(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> Plain:
    return Plain(artifact.manifest.labels, json.loads(read_file(artifact, MODEL)))

"""Quantizes candidates and chooses between them by their distance to fp32. Runs no model."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.export.onnx.covariances import COVARIANCES
from edgekit.job.job import OnProgress
from edgekit.system import child

# How much further from fp32 than the nearest a faster candidate may be: in divergence or distance,
# and in standard deviations of the difference in changed answers (chance passes one in ten). For a
# third of the divergence, which is a fifth of the changed answers, nobody waits 1.6 times as long.
NEAR = 1.5
DEVIATIONS = 1.28
# A divergence that changes one answer in some hundreds at most: below it, speed counts.
NEAR_ENOUGH = 0.001

Done = Mapping[str, Mapping[str, Any]]
"""What quantizing returned for each file, by its name."""
Measure = Callable[[Path, Done], dict[str, Any]]
"""Measures how near the files of a folder are to fp32."""
Best = Callable[[Sequence[dict[str, Any]]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to quantize."""

    scheme: str
    smooth: bool = False
    """Whether channels are scaled before activations are quantized (smoothing.py), and weights make
    up for each other's errors (compensating.py)."""

    @property
    def name(self) -> str:
        return f"{self.scheme}-smooth" if self.smooth else self.scheme


@dataclass(frozen=True, slots=True)
class Files:
    """What is quantized."""

    folder: Path
    names: tuple[str, ...]
    embeddings: str
    """How the word embeddings are quantized: int8 or int4."""
    seen: Path
    """The folder that holds what was seen of each file's activations, under the file's name, and of
    encoders the covariances."""


def choose(
    tries: Sequence[Candidate],
    files: Files,
    out: Path,
    on_progress: OnProgress,
    *,
    measure: Measure,
    best: Best,
    rows: int,
) -> dict[str, Any]:
    """Quantizes the files in each way, fastest first, and leaves the best ones' in `out`.

    Returns the record of it; `rows` is how many rows `measure` looked at.
    """
    tried, peaks = [], []
    for number, candidate in enumerate(tries):
        folder = out / candidate.name
        folder.mkdir()
        done = {name: _quantize(files, name, candidate, folder) for name in files.names}
        tried.append(
            {
                "scheme": candidate.name,
                "embeddings": done[files.names[-1]]["embeddings"],
                "smoothed": sum(one["smoothed"] for one in done.values()),
                "by_row": sum(one["by_row"] for one in done.values()),
                **measure(folder, done),
                "size_bytes": sum(one["size_bytes"] for one in done.values()),
            }
        )
        peaks += [one["peak_bytes"] for one in done.values()]
        on_progress((number + 1) / len(tries))
    chosen = best(tried)
    for name in files.names:
        (out / chosen["scheme"] / name).rename(out / name)
    for folder in (files.seen, *(out / one.name for one in tries)):
        shutil.rmtree(folder)
    after = {"scheme": chosen["scheme"], "embeddings": chosen["embeddings"]}
    return {"after": {**after, "rows": rows, "tried": tried}, "peak_bytes": max(peaks)}


def _quantize(files: Files, name: str, candidate: Candidate, out: Path) -> dict[str, Any]:
    request = {
        "source": files.folder / name,
        "out": out / name,
        "scheme": candidate.scheme,
        "embeddings": files.embeddings,
        "seen": files.seen / f"{name}.safetensors" if candidate.smooth else None,
        "covariances": files.seen / COVARIANCES if candidate.smooth else None,
    }
    doing = f"onnx: quantizing {name} to {candidate.name}"
    return child.ask("edgekit.export.onnx.quantize", "quantize", request, doing=doing)


def fastest_near(tried: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first candidate that is about as near to fp32 as the nearest: fidelity before speed.

    About as near is a divergence of at most NEAR times the least or NEAR_ENOUGH, and no more
    changed answers than the fewest but for DEVIATIONS standard deviations of their difference.
    """
    fewest, least = (min(one[key] for one in tried) for key in ("flips", "kl"))
    near = (
        one
        for one in tried
        if one["flips"] - fewest <= DEVIATIONS * math.sqrt(one["flips"] + fewest)
        and one["kl"] <= max(NEAR * least, NEAR_ENOUGH)
    )
    return next(near, min(tried, key=lambda one: one["kl"]))


def fastest_close(tried: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The same for models without answers: the first of at most NEAR times the least distance."""
    least = min(one["distance"] for one in tried)
    return next(one for one in tried if one["distance"] <= NEAR * max(least, 1e-8))


def divergence(wanted: np.ndarray, found: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence KL(wanted ‖ found) over rows of probabilities, in nats."""
    floor = 1e-12
    return float((wanted * np.log((wanted + floor) / (found + floor))).sum(axis=1).mean())

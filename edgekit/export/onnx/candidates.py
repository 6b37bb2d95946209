"""Quantizes candidates and chooses between them by their distance to fp32. Runs no model."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.job.job import OnProgress
from edgekit.system import child

# The slower scheme must be this much nearer to fp32: in standard deviations of the difference in
# changed answers, or in divergence.
DEVIATIONS = 2.0
DIVERGENCES = 2.0

Done = Mapping[str, Mapping[str, Any]]
"""What quantizing returned for each file, by its name."""
Measure = Callable[[Path, Done], dict[str, Any]]
"""Measures how near the files of a folder are to fp32."""
Best = Callable[[Sequence[dict[str, Any]]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Files:
    """What is quantized."""

    folder: Path
    names: tuple[str, ...]
    embeddings: str
    """How the word embeddings are quantized: int8 or int4."""


def choose(
    schemes: Sequence[str],
    files: Files,
    out: Path,
    on_progress: OnProgress,
    *,
    measure: Measure,
    best: Best,
    rows: int,
) -> dict[str, Any]:
    """Quantizes the files by each scheme, fastest first, and leaves the best ones' in `out`.

    Returns the record of it; `rows` is how many rows `measure` looked at.
    """
    tried, peaks = [], []
    for number, scheme in enumerate(schemes):
        folder = out / scheme
        folder.mkdir()
        done = {name: _quantize(files, name, scheme, folder) for name in files.names}
        tried.append(
            {
                "scheme": scheme,
                "embeddings": done[files.names[-1]]["embeddings"],
                **measure(folder, done),
                "size_bytes": sum(one["size_bytes"] for one in done.values()),
            }
        )
        peaks += [one["peak_bytes"] for one in done.values()]
        on_progress((number + 1) / len(schemes))
    chosen = best(tried)
    for name in files.names:
        (out / chosen["scheme"] / name).rename(out / name)
    for scheme in schemes:
        shutil.rmtree(out / scheme)
    after = {"scheme": chosen["scheme"], "embeddings": chosen["embeddings"]}
    return {"after": {**after, "rows": rows, "tried": tried}, "peak_bytes": max(peaks)}


def _quantize(files: Files, name: str, scheme: str, out: Path) -> dict[str, Any]:
    request = {
        "source": files.folder / name,
        "out": out / name,
        "scheme": scheme,
        "embeddings": files.embeddings,
    }
    doing = f"onnx: quantizing {name} to {scheme}"
    return child.ask("edgekit.export.onnx.quantize", "quantize", request, doing=doing)


def fastest_near(tried: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first candidate no further from fp32 than the nearest one, with allowance for chance."""
    fewest, least = (min(one[key] for one in tried) for key in ("flips", "kl"))
    near = (
        one
        for one in tried
        if one["flips"] - fewest <= DEVIATIONS * math.sqrt(one["flips"] + fewest)
        and one["kl"] <= DIVERGENCES * least
    )
    return next(near, min(tried, key=lambda one: one["kl"]))


def divergence(wanted: np.ndarray, found: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence KL(wanted ‖ found) over rows of probabilities, in nats."""
    floor = 1e-12
    return float((wanted * np.log((wanted + floor) / (found + floor))).sum(axis=1).mean())

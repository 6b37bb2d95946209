"""How much each matrix of a GGUF loses in each type, weighted by real texts. Runs no model.

The loss is the expected squared error of a matrix's products as a share of the squared products:
the squared error of each weight times the mean square of its input (importance.py), with
llama.cpp's own quantization. A share, since the products of neighbouring layers differ by orders of
magnitude where a layer makes massive activations (Sun et al. 2024, arXiv 2402.17762). It is
measured on a sample of the rows, which are quantized independently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.export.gguf import f16_matrices, header
from edgekit.export.gguf.types import Tensor
from edgekit.store.progress import load_progress, save_progress
from edgekit.system import child, machine
from edgekit.system.serving import Verb

SAMPLED_ROWS = 256
"""Rows of each matrix, evenly chosen."""
PART_WEIGHTS = 400_000_000
"""Weights quantized between two saves, counting each type."""
_MODULE = "edgekit.export.gguf.losses"

Losses = Mapping[str, Mapping[str, float]]
"""Loss by matrix and type."""


def measure(
    model: Path,
    tensors: Sequence[Tensor],
    candidates: Sequence[str],
    *,
    importance: Path,
    threads: int,
    on_progress: Callable[[float], None] = lambda fraction: None,
    progress: Path | None = None,
) -> dict[str, dict[str, float]]:
    """The loss of each tensor in each of the `candidates` whose blocks fit its rows.

    Progress is saved in the folder `progress`, if given, and resumed.
    """
    found: dict[str, dict[str, float]] = {}
    if progress is not None and (saved := load_progress(progress)) is not None:
        found = dict(saved.state["losses"])
    left = [tensor for tensor in tensors if tensor.name not in found]
    while left:
        part = _part(left, candidates)
        request = {
            "model": model,
            "tensors": {one.name: [name for name in candidates if one.fits(name)] for one in part},
            "importance": importance,
            "threads": threads,
        }
        done = child.ask(_MODULE, "measure", request, doing="gguf: measuring losses")
        found.update(done["losses"])
        left = left[len(part) :]
        on_progress(len(found) / len(tensors))
        if progress is not None and left:
            save_progress(progress, lambda folder: None, state={"losses": found})
    return found


def _part(tensors: Sequence[Tensor], candidates: Sequence[str]) -> Sequence[Tensor]:
    weights = 0
    for number, tensor in enumerate(tensors):
        weights += len(candidates) * min(tensor.rows, SAMPLED_ROWS) * tensor.columns
        if weights >= PART_WEIGHTS:
            return tensors[: number + 1]
    return tensors


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    from edgekit.export.gguf import blocks, importance, library  # see library

    chunk = library.load().ggml_quantize_chunk
    weights = importance.read(Path(request["importance"]))
    model = Path(request["model"])
    entries = {one.name: one for one in header.read(model)}

    def work(name: str) -> dict[str, float]:
        rows = f16_matrices.rows(model, entries[name])
        every = np.linspace(0, len(rows) - 1, min(len(rows), SAMPLED_ROWS)).astype(np.int64)
        values = np.ascontiguousarray(rows[every], dtype=np.float32)
        # Every column counts the same where nothing is known about them.
        columns = weights.get(name, np.ones(values.shape[1], dtype=np.float32))
        whole = _energy(values, columns)

        def lost(type_: str) -> float:
            packed = blocks.quantize(chunk, values, type_, columns)
            return _energy(blocks.dequantize(packed, type_) - values, columns)

        return {type_: lost(type_) / whole if whole else 0.0 for type_ in request["tensors"][name]}

    with ThreadPoolExecutor(request["threads"]) as pool:
        losses = dict(zip(request["tensors"], pool.map(work, request["tensors"]), strict=True))
    return {"losses": losses, "peak_bytes": machine.peak_rss_bytes()}


def _energy(values: np.ndarray, columns: np.ndarray) -> float:
    """The expected square of the products with the columns' inputs."""
    return float((np.square(values) * columns).sum(dtype=np.float64))


VERBS: Mapping[str, Verb] = {"measure": _run}

"""How much a model's predictions suffer from errors in one part of it, from short runs.

A part is the matrices of one kind in a stretch of neighbouring layers. Each run quantizes one part
coarsely, leaves the rest in f16, and measures the divergence from the f16 model; divided by the
loss of that part (losses.py) it gives the cost of a unit of loss there. Errors this small add up,
so the costs of parts may be summed (for diagonal Hessians: LeCun et al. 1989; measured as here:
Hubara et al. 2021, arXiv 2006.10518).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgekit.export.gguf import divergence, predicting, quantizing
from edgekit.export.gguf.losses import Losses
from edgekit.export.gguf.types import Tensor
from edgekit.store.progress import load_progress, save_progress

STRETCHES = 4
"""Parts that the layers are divided into."""
PROBE = "q4_0"
"""Coarse enough to show in a short run, fine enough for its errors to stay small."""
_LAYER = re.compile(r"blk\.(\d+)\.(.+)")


def part_of(name: str, layers: int) -> str:
    """The part that a matrix belongs to, such as `attn_v.weight 2`."""
    match = _LAYER.fullmatch(name)
    if match is None:
        return name
    return f"{match[2]} {int(match[1]) * STRETCHES // layers}"


def parts(tensors: Sequence[Tensor]) -> dict[str, list[str]]:
    """The matrices of each part."""
    numbers = [int(match[1]) for one in tensors if (match := _LAYER.fullmatch(one.name))]
    layers = max(numbers, default=0) + 1
    found: dict[str, list[str]] = {}
    for tensor in tensors:
        found.setdefault(part_of(tensor.name, layers), []).append(tensor.name)
    return found


def measure(
    model: Path,
    of_part: Mapping[str, Sequence[str]],
    losses: Losses,
    tokens: Sequence[Sequence[int]],
    *,
    importance: Path,
    threads: int,
    on_progress: Callable[[float], None] = lambda fraction: None,
    progress: Path | None = None,
) -> dict[str, float]:
    """Divergence in nats for each unit of loss, by part.

    Progress is saved in the folder `progress`, if given, and resumed.
    """
    found: dict[str, float] = {}
    if progress is not None and (saved := load_progress(progress)) is not None:
        found = dict(saved.state["found"])
    with tempfile.TemporaryDirectory() as folder:
        parent, other, probe = (Path(folder) / name for name in ("parent", "other", "probe.gguf"))
        if len(found) < len(of_part):
            predicting.predict(model, tokens, parent, threads=threads)
        for part, names in of_part.items():
            if part in found:
                continue
            quantizing.quantize(
                model,
                probe,
                chosen=dict.fromkeys(names, PROBE),
                importance=importance,
                threads=threads,
            )
            predicting.predict(probe, tokens, other, threads=threads, at=parent)
            kld = float(divergence.compare(parent, other).kld.mean())
            loss = sum(losses[name][PROBE] for name in names)
            found[part] = kld / loss if loss > 0 else 0.0
            on_progress(len(found) / len(of_part))
            if progress is not None and len(found) < len(of_part):
                save_progress(progress, lambda folder: None, state={"found": found})
    return found

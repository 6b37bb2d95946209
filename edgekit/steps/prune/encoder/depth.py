"""Which layers the answers depend on least. Torch; removes none for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint.units import layer_list
from edgekit.steps.prune.encoder.calibration import Calibration
from edgekit.steps.prune.encoder.search import Depths
from edgekit.training.head import Head


def search(
    model: PreTrainedModel,
    calibration: Calibration,
    *,
    head: Head,
    least: int,
    on_progress: Callable[[float], None],
) -> Depths:
    """Removes one layer after another, down to `least`: each time the one whose removal moves the
    answers least from those of the whole model."""
    layers = layer_list(model)
    wanted = _answers(model, calibration, head)

    def lost(rest: Sequence[int]) -> float:
        with only(layers, rest):
            return head.divergence(_answers(model, calibration, head), wanted)

    return remove(lost, len(layers), least=least, on_progress=on_progress)


def remove(
    lost: Callable[[Sequence[int]], float],
    count: int,
    *,
    least: int,
    on_progress: Callable[[float], None],
) -> Depths:
    """One layer after another, down to `least`; `lost` gives the loss where only these stay."""
    present = list(range(count))
    depths = [(tuple(present), 0.0)]
    while len(present) > least:
        tried = {}
        for number in present:
            tried[number] = lost([other for other in present if other != number])
        gone = min(tried, key=lambda number: tried[number])
        present.remove(gone)
        depths.append((tuple(present), tried[gone]))
        on_progress((count - len(present)) / (count - least))
    return Depths(tuple(depths))


def _answers(model: PreTrainedModel, calibration: Calibration, head: Head) -> np.ndarray:
    with torch.inference_mode():
        logits = [head.logits(model(**batch), batch) for batch in calibration.batches]
    return torch.cat(logits).cpu().numpy()


@contextmanager
def only(layers: nn.ModuleList, numbers: Sequence[int]) -> Iterator[None]:
    """Takes all other layers out of a model for a while."""
    everything = list(layers)
    del layers[:]
    layers.extend(everything[number] for number in numbers)
    try:
        yield
    finally:
        del layers[:]
        layers.extend(everything)

"""Which layers the answers depend on least. Torch; takes none out for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from transformers import PreTrainedModel

from edgekit.compress.structured.calibration import Calibration
from edgekit.compress.structured.search import Depths
from edgekit.compress.structured.units import layer_list


def search(
    model: PreTrainedModel,
    calibration: Calibration,
    *,
    least: int,
    on_progress: Callable[[float], None],
) -> Depths:
    """Takes out one layer after the other, down to `least`: each time the one whose going moves the
    answers least from those of the whole model."""
    count = len(layer_list(model))
    wanted = _answers(model, calibration)
    present = list(range(count))
    depths = [(tuple(present), 0.0)]
    while len(present) > least:
        tried = {}
        for number in present:
            rest = [other for other in present if other != number]
            with _only(model, rest):
                found = _answers(model, calibration)
            tried[number] = float((wanted.exp() * (wanted - found)).sum(-1).mean())
        gone = min(tried, key=lambda number: tried[number])
        present.remove(gone)
        depths.append((tuple(present), tried[gone]))
        on_progress((count - len(present)) / (count - least))
    return Depths(tuple(depths))


def _answers(model: PreTrainedModel, calibration: Calibration) -> torch.Tensor:
    """Log odds of shape (windows, labels)."""
    with torch.inference_mode():
        logits = [model(**batch).logits.float().log_softmax(-1) for batch in calibration.batches]
    return torch.cat(logits).cpu()


@contextmanager
def _only(model: PreTrainedModel, numbers: Sequence[int]) -> Iterator[None]:
    """The model with these layers only, for a while."""
    found = layer_list(model)
    everything = list(found)
    del found[:]
    found.extend(everything[number] for number in numbers)
    try:
        yield
    finally:
        del found[:]
        found.extend(everything)

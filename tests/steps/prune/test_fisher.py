"""What texts feel of a model's units: in half precision, and where the memory is small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from edgekit.build.outcome import Built
from edgekit.checkpoint import models, units
from edgekit.errors import StepError
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.prune.encoder import calibration, fisher
from edgekit.steps.prune.encoder.calibration import Calibration
from edgekit.steps.prune.encoder.fisher import Signals
from edgekit.system import devices
from edgekit.system.devices import Compute
from edgekit.tasks.classification.proof.head import Head
from tests.tiny import encoder as tiny

CPU = devices.compute("cpu", None)


@pytest.fixture
def model(built: Built) -> PreTrainedModel:
    return models.load_classifier(built.teacher)


@pytest.fixture
def texts(built: Built) -> Calibration:
    encoder = TextTokenizer(Path(built.teacher) / "tokenizer.json", max_tokens=64)
    return calibration.read(
        tiny.texts()[::7], encoder, most_texts=60, most_tokens=4000, pad=0, device="cpu"
    )


def feel(model: PreTrainedModel, texts: Calibration, compute: Compute = CPU) -> Signals:
    return fisher.signals(
        model,
        texts,
        head=Head(tiny.LABELS),
        compute=compute,
        seed=1,
        on_progress=lambda fraction: None,
    )


@pytest.mark.parametrize("scaled", [False, True])
def test_half_precision_feels_the_same(
    model: PreTrainedModel, texts: Calibration, scaled: bool
) -> None:
    """On the CPU too, which computes in bf16 where it is told: only the rounding differs."""
    whole = feel(model, texts)
    half = feel(model, texts, Compute(device="cpu", precision="bf16", scaled=scaled, pinned=False))
    for one, other in zip((*whole.heads, *whole.ffn), (*half.heads, *half.ffn), strict=True):
        assert other.dtype == np.float32
        assert not np.array_equal(one, other)
        assert np.abs(one - other).max() < 0.1 * np.abs(one).max()


def test_what_does_not_fit_is_read_in_halves_and_nothing_twice(
    model: PreTrainedModel, texts: Calibration
) -> None:
    """The first layer's gradients come last: by then the others have noted the part."""
    windows = sum(len(batch["input_ids"]) for batch in texts.batches)

    def refuse(module: nn.Module, before: tuple[torch.Tensor, ...], after: object) -> None:
        if len(before[0]) > 3:
            raise torch.cuda.OutOfMemoryError("too many windows")

    units.layers(model)[0].matrix("attention.output.dense").register_full_backward_hook(refuse)
    found = feel(model, texts)
    assert max(len(batch["input_ids"]) for batch in texts.batches) > 3
    assert {len(one) for one in (*found.heads, *found.ffn)} == {windows}


def test_what_overflows_is_an_error(model: PreTrainedModel, texts: Calibration) -> None:
    with torch.no_grad():
        units.layers(model)[0].matrix("output.dense").weight.fill_(float("nan"))
    with pytest.raises(StepError, match="no number"):
        feel(model, texts)

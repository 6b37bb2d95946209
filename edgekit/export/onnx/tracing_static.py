"""Writes a static student as ONNX: a graph of a few operations, of one input. Quantizes nothing."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from edgekit.checkpoint.static import StaticForSequenceClassification
from edgekit.runtime.onnx import MOST_THREADS


class _Logits(nn.Module):
    """The classifier as a function of one tensor: texts are run one at a time, without padding."""

    def __init__(self, model: StaticForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids).logits
        return logits


def export_static(model: StaticForSequenceClassification, path: Path) -> None:
    """`input_ids` in, `logits` out, batch size and length dynamic."""
    ids = torch.ones(1, 4, dtype=torch.long)
    free = {0: "batch_size", 1: "sequence_length"}
    with warnings.catch_warnings():
        # The tracing exporter warns that there is a newer one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Logits(model).eval(),
            (ids,),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input_ids"],
            output_names=["logits"],
            dynamic_axes={"input_ids": free, "logits": {0: "batch_size"}},
        )
    traced = onnx.load(str(path))
    onnx.helper.set_model_props(traced, {MOST_THREADS: "1"})
    onnx.save(traced, str(path))

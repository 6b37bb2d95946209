"""Divides a classifier's logits by its temperature within the file, so that whoever runs it has the
calibrated scores: softmax of the output, and nothing more. Runs no model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgekit.runtime.onnx import LOGITS


def divide(source: Path, out: Path, temperature: float) -> None:
    """Writes a copy of `source` whose output LOGITS is divided by the temperature."""
    model = onnx.load(source)
    by = numpy_helper.from_array(np.array(temperature, np.float32), f"{LOGITS}/temperature")
    before = f"{LOGITS}/uncalibrated"
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == LOGITS:
                    names[place] = before
    model.graph.initializer.append(by)
    model.graph.node.append(helper.make_node("Div", [before, by.name], [LOGITS]))
    onnx.checker.check_model(model)
    onnx.save(model, out)

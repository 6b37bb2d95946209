"""Traces a checkpoint into ONNX through optimum; the one place that knows optimum."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import onnx
from optimum.exporters.onnx import onnx_export_from_model

from edgekit.compress import models
from edgekit.compress.static import StaticForSequenceClassification
from edgekit.errors import ExportError
from edgekit.export.tracing_static import export_static


def export_classifier(checkpoint: Path, folder: Path) -> Path:
    """Writes `folder`/model.onnx in fp32: ids in, `logits` out, batch and length free.

    Raises ExportError where the model's weights do not fit into one file of 2 GB.
    """
    model = models.load_classifier(checkpoint)
    path = folder / "model.onnx"
    if isinstance(model, StaticForSequenceClassification):
        export_static(model, path)
        return path
    with tempfile.TemporaryDirectory(dir=folder) as scratch, warnings.catch_warnings():
        # Tracing warns of constants that are constants.
        warnings.simplefilter("ignore")
        # optimum would load the tokenizer of the folder that the model names, to save it again.
        model.config._name_or_path = scratch
        # optimum checks its own export on random ids; edgekit checks on real rows afterwards.
        onnx_export_from_model(model, scratch, task="text-classification", do_validation=False)
        traced = onnx.load(Path(scratch) / "model.onnx")
        if traced.ByteSize() >= 2**31:
            raise ExportError(
                f"{checkpoint}: the model is larger than the 2 GB that one ONNX file can hold; "
                "make it smaller with steps first."
            )
        onnx.save(traced, path)
    return path

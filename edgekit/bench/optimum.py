"""What a user would do today: optimum's own export of a classifier and its int8 for this CPU.

For child processes only, because it needs several times the weights' memory. Uses nothing of
edgekit's exporter.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optimum.onnxruntime import ORTModelForSequenceClassification, ORTQuantizer
from optimum.onnxruntime.configuration import AutoQuantizationConfig

from edgekit.checkpoint.describe import read_config
from edgekit.system import machine
from edgekit.system.serving import Verb


def make(checkpoint: Path, folder: Path, preset: str) -> Path:
    """Writes `folder`/model.onnx with optimum's defaults, following its guide.

    `preset` is the name of one of optimum's configurations, such as avx2.
    """
    configure = getattr(AutoQuantizationConfig, preset)
    read_config(checkpoint)  # refuses checkpoints that contain code
    with tempfile.TemporaryDirectory(dir=folder) as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ORTModelForSequenceClassification.from_pretrained(
            checkpoint, export=True, local_files_only=True
        )
        model.save_pretrained(scratch)
        del model
        quantizer = ORTQuantizer.from_pretrained(scratch)
        quantizer.quantize(
            save_dir=scratch,
            quantization_config=configure(is_static=False, per_channel=False),
        )
        return (Path(scratch) / "model_quantized.onnx").rename(folder / "model.onnx")


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    make(Path(request["checkpoint"]), Path(request["folder"]), request["preset"])
    return {"peak_bytes": machine.peak_rss_bytes()}


VERBS: Mapping[str, Verb] = {"make": _run}

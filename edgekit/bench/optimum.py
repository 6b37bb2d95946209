"""What a user would do today: optimum's own export of a classifier and its int8 for this CPU.

A program for the environment that baseline.py makes, where edgekit is not installed: it imports
nothing of it. Reads one JSON object from stdin and prints one.
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from pathlib import Path


def make(checkpoint: Path, folder: Path, preset: str) -> None:
    """Writes `folder`/model.onnx with optimum's defaults, following its guide.

    `preset` is the name of one of optimum's configurations, such as avx2.
    """
    from optimum.onnxruntime import ORTModelForSequenceClassification, ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    configure = getattr(AutoQuantizationConfig, preset)
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
        (Path(scratch) / "model_quantized.onnx").rename(folder / "model.onnx")


def main() -> None:
    request = json.load(sys.stdin)
    answer = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    folder = Path(request["folder"])
    make(Path(request["checkpoint"]), folder, request["preset"])
    json.dump({"size_bytes": (folder / "model.onnx").stat().st_size}, answer)


if __name__ == "__main__":
    main()

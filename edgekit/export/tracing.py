"""Traces a checkpoint into ONNX through optimum; the one place that knows optimum.

`python -m edgekit.export.tracing CHECKPOINT FOLDER` does it in a process of its own.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from optimum.exporters.onnx import onnx_export_from_model
from transformers import PreTrainedModel

from edgekit import machine
from edgekit.compress import models
from edgekit.compress.static import StaticForSequenceClassification
from edgekit.errors import ExportError
from edgekit.export.apart import answer
from edgekit.export.tracing_static import export_static
from edgekit.export.weights import append_weight, open_weights

MOST_BYTES = 2**31
"""What one protobuf message can hold."""
# Rows of the table that stands in for the word embeddings while tracing, which holds all weights
# several times: a number that no other matrix has.
STAND_IN_ROWS = 97


def export_classifier(checkpoint: Path, folder: Path) -> Path:
    """Writes `folder`/model.onnx in fp32: ids in, `logits` out, batch and length free.

    Raises ExportError where the model's weights do not fit into one file of 2 GB.
    """
    model = models.load_classifier(checkpoint)
    if isinstance(model, StaticForSequenceClassification):
        export_static(model, folder / "model.onnx")
        return folder / "model.onnx"
    if sum(4 * weights.numel() for weights in model.parameters()) >= MOST_BYTES:
        raise ExportError(
            f"{checkpoint}: the model is larger than the 2 GB that one ONNX file can hold; "
            "make it smaller with steps first."
        )
    table = _take_table(model)
    with tempfile.TemporaryDirectory(dir=folder) as scratch, warnings.catch_warnings():
        # Tracing warns of constants that are constants.
        warnings.simplefilter("ignore")
        # optimum would load the tokenizer of the folder that the model names, to save it again.
        model.config._name_or_path = scratch
        # optimum checks its own export on random ids; edgekit checks on real rows afterwards.
        onnx_export_from_model(model, scratch, task="text-classification", do_validation=False)
        del model
        return _put_together(Path(scratch) / "model.onnx", table, folder / "model.onnx")


def _take_table(model: PreTrainedModel) -> torch.Tensor | None:
    """Puts a small table in the place of a large one of word embeddings, and returns that."""
    words = model.get_input_embeddings()
    if not isinstance(words, torch.nn.Embedding) or words.num_embeddings <= STAND_IN_ROWS:
        return None
    table = words.weight.detach()
    words.weight = torch.nn.Parameter(table[:STAND_IN_ROWS].clone(), requires_grad=False)
    # From here optimum takes the ids that it traces with; the graph does not know them.
    model.config.vocab_size = words.num_embeddings = STAND_IN_ROWS
    words.padding_idx = None
    return table


def _put_together(traced: Path, table: torch.Tensor | None, out: Path) -> Path:
    """The traced graph with its weights, and the table in its place again, written one by one."""
    proto, weights = open_weights(traced)
    large = dict(weights)
    if table is not None:
        shape = (STAND_IN_ROWS, table.shape[1])
        names = [one.name for one in proto.graph.initializer if tuple(one.dims) == shape]
        if len(names) != 1:
            raise ExportError(
                f"{out}: the word embeddings were not found in the traced graph; this "
                "architecture cannot be exported with the installed versions."
            )
        large[names[0]] = table.numpy()
    kept = [one for one in proto.graph.initializer if one.name not in large]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    onnx.save(proto, out)
    for name, values in large.items():
        append_weight(out, name, values)
    return out


def _work() -> dict[str, Any]:
    export_classifier(Path(sys.argv[1]), Path(sys.argv[2]))
    return {"peak_bytes": machine.peak_rss_bytes()}


if __name__ == "__main__":
    sys.exit(answer(_work))

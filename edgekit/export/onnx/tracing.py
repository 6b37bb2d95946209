"""Traces a checkpoint into ONNX through optimum; the one place that knows optimum.

Both exports are also verbs of a child process: `logits` of a classifier, `embedding` of an encoder.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from optimum.exporters.onnx import onnx_export_from_model
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.checkpoint.static import StaticForSequenceClassification
from edgekit.errors import ExportError
from edgekit.export.onnx.tracing_static import export_static
from edgekit.export.onnx.weights import append_weight, open_weights
from edgekit.runtime.onnx import EMBEDDING, LOGITS
from edgekit.system import machine
from edgekit.system.serving import Verb

MOST_BYTES = 2**31
"""The most that one protobuf message can hold."""
# Rows of the table that stands in for the word embeddings while tracing, which holds all weights
# several times: a number of rows that no other matrix has.
STAND_IN_ROWS = 97
REDUCES_BY_INPUT = 18
"""The ONNX opset from which ReduceMean takes its axes as an input."""


def export_classifier(checkpoint: Path, folder: Path) -> Path:
    """Writes `folder`/model.onnx in fp32: ids in, `logits` out, batch size and length dynamic.

    Raises ExportError where the model's weights do not fit into one file of 2 GB.
    """
    model = models.load_classifier(checkpoint)
    if isinstance(model, StaticForSequenceClassification):
        export_static(model, folder / "model.onnx")
        return folder / "model.onnx"
    _check_size(checkpoint, model)
    return _export(model, folder, task="text-classification")


def export_encoder(checkpoint: Path, folder: Path) -> Path:
    """Writes `folder`/model.onnx in fp32: the ids of one text in, `embedding` out, the mean of the
    last hidden states. Raises ExportError like export_classifier.
    """
    model = models.load_encoder(checkpoint)
    _check_size(checkpoint, model)
    return _export(model, folder, task="feature-extraction")


def _check_size(checkpoint: Path, model: PreTrainedModel) -> None:
    if sum(4 * weights.numel() for weights in model.parameters()) >= MOST_BYTES:
        raise ExportError(
            f"{checkpoint}: the model is larger than the 2 GB that one ONNX file can hold; "
            "make it smaller with steps first."
        )


def _export(model: PreTrainedModel, folder: Path, *, task: str) -> Path:
    table = _take_table(model)
    with tempfile.TemporaryDirectory(dir=folder) as scratch, warnings.catch_warnings():
        # Tracing warns about constants that are meant to be constants.
        warnings.simplefilter("ignore")
        # optimum would load the tokenizer of the folder that the model names, just to save it.
        model.config._name_or_path = scratch
        # optimum checks its own export on random ids; edgekit checks it on real rows afterwards.
        onnx_export_from_model(model, scratch, task=task, do_validation=False)
        del model
        return _put_together(Path(scratch) / "model.onnx", table, folder / "model.onnx")


def _take_table(model: PreTrainedModel) -> torch.Tensor | None:
    """Replaces a large table of word embeddings by a small one, and returns the large one."""
    words = model.get_input_embeddings()
    if not isinstance(words, torch.nn.Embedding) or words.num_embeddings <= STAND_IN_ROWS:
        return None
    table = words.weight.detach()
    words.weight = torch.nn.Parameter(table[:STAND_IN_ROWS].clone(), requires_grad=False)
    # optimum takes from here the ids that it traces with; the graph does not know them.
    model.config.vocab_size = words.num_embeddings = STAND_IN_ROWS
    words.padding_idx = None
    return table


def _put_together(traced: Path, table: torch.Tensor | None, out: Path) -> Path:
    """The traced graph with its weights, and the table back in its place, written one by one."""
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
    if "last_hidden_state" in {one.name for one in proto.graph.output}:
        _pool(proto)
    kept = [one for one in proto.graph.initializer if one.name not in large]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    onnx.save(proto, out)
    for name, values in large.items():
        append_weight(out, name, values)
    return out


def _pool(proto: onnx.ModelProto) -> None:
    """Appends the mean over tokens to the last layer: texts come alone, so without padding."""
    graph = proto.graph
    width = graph.output[0].type.tensor_type.shape.dim[-1]
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "embedding_axes")
    reduced = ["last_hidden_state", axes.name]
    node = helper.make_node("ReduceMean", reduced, [EMBEDDING], keepdims=0)
    if next(one.version for one in proto.opset_import if not one.domain) < REDUCES_BY_INPUT:
        node = helper.make_node("ReduceMean", reduced[:1], [EMBEDDING], keepdims=0, axes=[1])
    else:
        graph.initializer.append(axes)
    graph.node.append(node)
    del graph.output[:]
    shape = ["batch_size", width.dim_value or width.dim_param]
    graph.output.append(helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, shape))


def _run(export: Callable[[Path, Path], Path], request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    export(Path(request["checkpoint"]), Path(request["folder"]))
    return {"peak_bytes": machine.peak_rss_bytes()}


VERBS: Mapping[str, Verb] = {
    LOGITS: partial(_run, export_classifier),
    EMBEDDING: partial(_run, export_encoder),
}

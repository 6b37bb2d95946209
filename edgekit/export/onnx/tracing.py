"""Traces an encoder's checkpoint into ONNX with torch's exporter. Quantizes nothing.

Both exports are also verbs of a child process: `logits` of a classifier, `embedding` of an encoder.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.checkpoint.describe import describe
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
OPSET = 18
"""From this one on, ReduceMean takes its axes as an input."""
STATES = "last_hidden_state"
_IDS, _MASK, _TYPES = "input_ids", "attention_mask", "token_type_ids"
_TYPED = ("albert", "bert", "electra")
"""These read token types even where there is but one."""
_TYPED_IF_SEVERAL = {"deberta": 1, "deberta-v2": 1, "gte": 2}
"""And these from so many on."""
_TRACED_TEXTS, _MOST_TRACED_TOKENS = 2, 16
_FREE = {0: "batch_size", 1: "sequence_length"}


def export_classifier(checkpoint: Path, folder: Path) -> Path:
    """Writes `folder`/model.onnx in fp32: ids in, `logits` out, batch size and length dynamic.

    Raises ExportError where the model's weights do not fit into one file of 2 GB.
    """
    model = models.load_classifier(checkpoint)
    if isinstance(model, StaticForSequenceClassification):
        export_static(model, folder / "model.onnx")
        return folder / "model.onnx"
    _check_size(checkpoint, model)
    return _export(model, folder, output=LOGITS, most=describe(checkpoint).max_tokens)


def export_encoder(checkpoint: Path, folder: Path) -> Path:
    """Writes `folder`/model.onnx in fp32: the ids of one text in, `embedding` out, the mean of the
    last hidden states. Raises ExportError like export_classifier.
    """
    model = models.load_encoder(checkpoint)
    _check_size(checkpoint, model)
    return _export(model, folder, output=STATES, most=describe(checkpoint).max_tokens)


def _check_size(checkpoint: Path, model: PreTrainedModel) -> None:
    if sum(4 * weights.numel() for weights in model.parameters()) >= MOST_BYTES:
        raise ExportError(
            f"{checkpoint}: the model is larger than the 2 GB that one ONNX file can hold; "
            "make it smaller with steps first."
        )


class _Traced(nn.Module):
    """The model as a function of tensors, in the order of `names`, to one tensor."""

    def __init__(self, model: PreTrainedModel, names: Sequence[str], output: str) -> None:
        super().__init__()
        self.model, self.names, self.output = model, tuple(names), output

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        answer = self.model(**dict(zip(self.names, tensors, strict=True)), return_dict=True)
        found: torch.Tensor = answer[self.output]
        return found


def _export(model: PreTrainedModel, folder: Path, *, output: str, most: int) -> Path:
    """`most` is how many tokens the model has positions for."""
    table, names = _take_table(model), _inputs(model.config)
    # torch's own attention becomes more operations: it looks for NaN behind every softmax.
    model.set_attn_implementation("eager")
    # Two texts of several tokens: a size of 1 would be taken for one that never changes.
    words: Any = model.get_input_embeddings()
    traced = _TRACED_TEXTS, min(_MOST_TRACED_TOKENS, most)
    ids = torch.randint(3, words.num_embeddings, traced)
    told = {_IDS: ids, _MASK: torch.ones_like(ids), _TYPES: torch.zeros_like(ids)}
    shape = _FREE if output == STATES else {0: _FREE[0]}
    with tempfile.TemporaryDirectory(dir=folder) as scratch, warnings.catch_warnings():
        # Tracing warns about constants that are meant to be constants, and of a newer exporter:
        # for two layers that one takes 12 s where this one takes 0.6.
        warnings.simplefilter("ignore")
        with torch.inference_mode():
            torch.onnx.export(
                _Traced(model, names, output).eval(),
                tuple(told[name] for name in names),
                str(Path(scratch) / "model.onnx"),
                dynamo=False,
                opset_version=OPSET,
                input_names=list(names),
                output_names=[output],
                dynamic_axes={**dict.fromkeys(names, _FREE), output: shape},
            )
        del model
        return _put_together(Path(scratch) / "model.onnx", table, folder / "model.onnx")


def _inputs(config: Any) -> tuple[str, ...]:
    """What the model is given, in this order."""
    kind, types = config.model_type, getattr(config, "type_vocab_size", 0)
    least = _TYPED_IF_SEVERAL.get(kind)
    typed = kind in _TYPED or (least is not None and types >= least)
    return (_IDS, _MASK, _TYPES) if typed else (_IDS, _MASK)


def _take_table(model: PreTrainedModel) -> torch.Tensor | None:
    """Replaces a large table of word embeddings by a small one, and returns the large one."""
    words = model.get_input_embeddings()
    if not isinstance(words, torch.nn.Embedding) or words.num_embeddings <= STAND_IN_ROWS:
        return None
    table = words.weight.detach()
    words.weight = torch.nn.Parameter(table[:STAND_IN_ROWS].clone(), requires_grad=False)
    words.num_embeddings = STAND_IN_ROWS
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
    if STATES in {one.name for one in proto.graph.output}:
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
    graph.initializer.append(axes)
    graph.node.append(helper.make_node("ReduceMean", [STATES, axes.name], [EMBEDDING], keepdims=0))
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

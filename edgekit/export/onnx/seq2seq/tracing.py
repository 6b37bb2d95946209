"""Traces an encoder-decoder checkpoint into two ONNX files. The embedding table is stored once.

    encoder.onnx  embedded (1, length, width)   → key_0, value_0, … of the source for each layer
    decoder.onnx  pieces (beams,), order (beams,), past_key_0 …, key_0 … → logits, present_key_0 …
                  pieces                        → embedded: what the encoder reads

Beams and lengths are dynamic; a past of length 0 starts. Both outputs of the decoder's file share
its embedding table, and where the head is tied to it, the head multiplies with the same one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.errors import ExportError
from edgekit.export.onnx.seq2seq.steps import Tensors, source_caches, step
from edgekit.runtime.seq2seq.files import DECODER, ENCODER, cache_names
from edgekit.system import machine
from edgekit.system.serving import Verb

MOST_BYTES = 2**31
OPSET = 17


def export(checkpoint: Path, folder: Path) -> tuple[Path, Path]:
    """Writes `folder`/encoder.onnx and decoder.onnx in fp32.

    Raises ExportError where the model's weights do not fit into one file of 2 GB.
    """
    model = models.load_seq2seq(checkpoint)
    if sum(4 * weights.numel() for weights in model.parameters()) >= MOST_BYTES:
        raise ExportError(
            f"{checkpoint}: the model is larger than the 2 GB that one ONNX file can hold; "
            "make it smaller with steps first."
        )
    encoder, decoder = folder / ENCODER, folder / DECODER
    with warnings.catch_warnings(), torch.inference_mode():
        # Tracing warns about constants that are meant to be constants, and about a newer exporter.
        warnings.simplefilter("ignore")
        _trace_encoder(model, encoder)
        _trace_decoder(model, decoder)
    return encoder, decoder


class _Encoder(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, embedded: torch.Tensor) -> Tensors:
        encoder: Any = self.model.get_encoder()
        states = encoder(inputs_embeds=embedded).last_hidden_state
        return source_caches(self.model, states)


class _Decoder(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.step = step(model)
        encoder: Any = self.step.model.get_encoder()
        self.table = encoder.embed_tokens
        inside = hasattr(self.table, "embed_scale")
        self.scale = 1.0 if inside else float(getattr(encoder, "embed_scale", 1.0))

    def forward(self, pieces: torch.Tensor, order: torch.Tensor, *caches: torch.Tensor) -> Tensors:
        found = self.step(pieces, order, *caches)
        return (found[0], (self.table(pieces) * self.scale)[None], *found[1:])


def _trace_encoder(model: PreTrainedModel, path: Path) -> None:
    names = cache_names("", _layers(model))
    torch.onnx.export(
        _Encoder(model).eval(),
        (torch.randn(1, 5, model.config.d_model),),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=["embedded"],
        output_names=names,
        dynamic_axes={"embedded": {1: "length"}, **{name: {2: "length"} for name in names}},
    )


def _trace_decoder(model: PreTrainedModel, path: Path) -> None:
    layers = _layers(model)
    source = source_caches(model, torch.randn(1, 5, model.config.d_model))
    past = [torch.randn(2, cache.shape[1], 3, cache.shape[3]) for cache in source]
    pieces, order = torch.tensor([4, 5, 6]), torch.tensor([0, 1, 1])
    before, read = cache_names("past_", layers), cache_names("", layers)
    present = cache_names("present_", layers)
    torch.onnx.export(
        _Decoder(model).eval(),
        (pieces, order, *past, *source),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=["pieces", "order", *before, *read],
        output_names=["logits", "embedded", *present],
        dynamic_axes={
            **{name: {0: "beams"} for name in ("pieces", "order", "logits")},
            "embedded": {1: "beams"},
            **{name: {0: "rows", 2: "past"} for name in before},
            **{name: {2: "length"} for name in read},
            **{name: {0: "beams", 2: "present"} for name in present},
        },
    )
    proto = onnx.load(str(path))
    _share_table(proto)
    onnx.save(proto, str(path))


def _share_table(proto: onnx.ModelProto) -> None:
    """Where the head is tied to the embedding table, it reads that, not a transposed copy."""
    weights = {one.name: one for one in proto.graph.initializer}
    tables = {
        node.input[0]: numpy_helper.to_array(weights[node.input[0]])
        for node in proto.graph.node
        if node.op_type == "Gather"
        and node.input[0] in weights
        and len(weights[node.input[0]].dims) == 2
    }
    nodes: list[onnx.NodeProto] = []
    for node in proto.graph.node:
        if node.op_type == "MatMul" and node.input[1] in weights:
            matrix = numpy_helper.to_array(weights[node.input[1]])
            for name, table in tables.items():
                if table.T.shape == matrix.shape and np.array_equal(table.T, matrix):
                    nodes.append(
                        helper.make_node("Transpose", [name], [f"{name}/head"], perm=[1, 0])
                    )
                    node.input[1] = f"{name}/head"
                    break
        nodes.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [one for one in proto.graph.initializer if one.name in used]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)


def _layers(model: PreTrainedModel) -> int:
    config = model.config
    return int(
        config.num_decoder_layers if config.model_type in ("t5", "mt5") else config.decoder_layers
    )


def _run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the child."""
    export(Path(request["checkpoint"]), Path(request["folder"]))
    return {"peak_bytes": machine.peak_rss_bytes()}


VERBS: Mapping[str, Verb] = {"export": _run}

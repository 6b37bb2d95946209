"""The fp32 graph after smoothing, to be compared with the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from edgekit.export.onnx.graph import Graph
from edgekit.export.onnx.observing import Seen
from edgekit.export.onnx.smoothing import smooth
from edgekit.export.onnx.weights import open_weights


def write(source: Path, out: Path, seen: Mapping[str, Seen]) -> int:
    """Returns how many nodes it took."""
    model, weights = open_weights(source)
    graph = Graph(model, weights)
    added = smooth(graph, seen)
    for node in model.graph.node:
        for number, name in enumerate(node.input):
            matrix = graph.matrix(name) if node.op_type in ("MatMul", "Gemm") else None
            if number == 1 and matrix is not None:
                node.input[1] = graph.add(f"{name}/scaled", matrix)
    graph.drop_unused()
    onnx.save(model, str(out))
    return added

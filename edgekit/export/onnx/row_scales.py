"""Gives each row of a tensor a scale of its own: divided by its peak before it is quantized.

DynamicQuantizeLinear has one scale for a whole tensor. Rows whose largest number is 1 or -1 fit one
scale, and the product's rows are multiplied by their peaks again. Adds nodes; chooses no tensors.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, helper

from edgekit.export.onnx.graph import Graph

LEAST_PEAK = 1e-12
"""A row of zeros stays one."""
REDUCES_MAX_BY_INPUT = 18
"""The ONNX opset from which ReduceMax takes its axes as an input."""


def peak_name(data: str) -> str:
    """The name of the peaks, (..., rows, 1), of a tensor."""
    return f"{data}/peak"


def divided(graph: Graph, data: str) -> tuple[str, list[NodeProto]]:
    """The name of the tensor whose rows are divided by their peaks, and the nodes that make it."""
    least = graph.add("least_peak", np.array(LEAST_PEAK, np.float32))
    sizes, loudest, unit = f"{data}/sizes", f"{data}/loudest", f"{data}/unit"
    return unit, [
        helper.make_node("Abs", [data], [sizes]),
        _row_maximum(graph, sizes, loudest),
        helper.make_node("Max", [loudest, least], [peak_name(data)]),
        helper.make_node("Div", [data, peak_name(data)], [unit]),
    ]


def _row_maximum(graph: Graph, data: str, out: str) -> NodeProto:
    if graph.opset < REDUCES_MAX_BY_INPUT:
        return helper.make_node("ReduceMax", [data], [out], axes=[-1], keepdims=1)
    axes = graph.add("row_axis", np.array([-1], np.int64))
    return helper.make_node("ReduceMax", [data, axes], [out], keepdims=1)

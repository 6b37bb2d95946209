"""Scales the channels that matrices read, so that 8 bits fit quiet and loud ones alike.

Activations have one scale per tensor, and a few channels that are tens of times louder than the
others would leave those a few steps. Each channel is divided by a factor before it is quantized,
and the matrix's row multiplied by it: the product stays the same (SmoothQuant, arXiv 2211.10438).
The factors are peak(x)^α / peak(W)^(1 − α), with the α of ALPHAS whose rounding errors, of
activations and weights together, are least by the statistics of real texts.

Dividing costs nothing where what makes the channels can make them smaller: a norm's gain and bias,
a matrix before it (also across attention, which mixes positions and not channels, and across ReLU).
Elsewhere it takes one Mul, and is done only where it removes LEAST_GAIN of the error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, helper

from edgekit.export.onnx.absorbing import Producers
from edgekit.export.onnx.graph import Graph, is_transposed, product_of
from edgekit.export.onnx.observing import Seen

ALPHAS = (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
LEAST_GAIN = 0.3
STEPS = 255


@dataclass(slots=True)
class _Group:
    """Tensors and matrices that need the same factors, for a matrix is stored once."""

    data: set[str]
    nodes: list[NodeProto]


def smooth(graph: Graph, seen: Mapping[str, Seen]) -> int:
    """Rewrites the graph and registers the scales of its matrices; returns how many Muls it took.

    `seen` holds statistics of every tensor that a matrix reads; tensors without are left alone.
    """
    producers = Producers(graph)
    after: defaultdict[str, list[NodeProto]] = defaultdict(list)
    for group in _groups(graph, seen):
        plain, factors, error = _best(graph, group, seen)
        readers = {id(node) for node in group.nodes}
        plans = [producers.plan(name, len(factors), readers) for name in sorted(group.data)]
        free = all(plan is not None for plan in plans)
        if error > plain * (1 if free else 1 - LEAST_GAIN):
            continue
        for name, plan in zip(sorted(group.data), plans, strict=True):
            if plan is not None:
                producers.apply(plan, 1 / factors)
            else:
                after[name].append(_divide(graph, name, factors, group))
        for node in group.nodes:
            _multiply(graph, node, factors)
    _insert(graph, after)
    _weigh(graph, seen, after)
    return sum(map(len, after.values()))


def _groups(graph: Graph, seen: Mapping[str, Seen]) -> Iterator[_Group]:
    groups: dict[str, _Group] = {}
    shared = {node.input[0] for node in graph.proto.node if node.input and _reads_head(graph, node)}
    for node in graph.proto.node:
        if product_of(graph, node) is None:
            continue
        keys = (f"data {node.input[0]}", f"matrix {node.input[1]}")
        merged = _Group({node.input[0]}, [node])
        for found in {id(one): one for key in keys if (one := groups.get(key))}.values():
            merged.data |= found.data
            merged.nodes = [*found.nodes, *merged.nodes]
        for one in merged.nodes:
            groups[f"data {one.input[0]}"] = groups[f"matrix {one.input[1]}"] = merged
    for group in {id(one): one for one in groups.values()}.values():
        if group.data <= seen.keys() and not group.data & shared:
            yield group


def _reads_head(graph: Graph, node: NodeProto) -> bool:
    return node.op_type == "MatMul" and node.input[1] in graph.heads


def _best(graph: Graph, group: _Group, seen: Mapping[str, Seen]) -> tuple[float, np.ndarray, float]:
    """The error without factors, the best factors, and the error with them."""
    matrices = {node.input[1]: product_of(graph, node) for node in group.nodes}
    rows = np.concatenate([one for one in matrices.values() if one is not None], axis=1)
    peaks = np.max(
        [np.maximum(seen[name].high, -seen[name].low).max(axis=0) for name in group.data], axis=0
    )
    # A channel that is always 0 may have any factor.
    peaks = np.maximum(peaks, 1e-5 * max(float(peaks.max()), 1e-20))
    loudest = np.abs(rows).max(axis=1)
    loudest = np.maximum(loudest, 1e-5 * max(float(loudest.max()), 1e-20))
    noise = [seen[name] for name in sorted(group.data)]
    plain = _error(np.ones_like(peaks), rows, noise)
    tried = []
    for alpha in ALPHAS:
        factors = peaks**alpha / loudest ** (1 - alpha)
        # Only their ratios count; around 1 they leave weights of the usual size.
        factors = (factors / np.exp(np.log(factors).mean())).astype(np.float32)
        tried.append((_error(factors, rows, noise), factors))
    error, factors = min(tried, key=lambda one: one[0])
    return plain, factors, error


def _error(factors: np.ndarray, rows: np.ndarray, seen: list[Seen]) -> float:
    """The mean squared error of the products with 8-bit activations and 8-bit weights."""
    scaled = rows * factors[:, None]
    widths = np.square(scaled).sum(axis=1)
    weights = np.square(np.abs(scaled).max(axis=0) / (STEPS / 2)).sum() / 12
    total = 0.0
    for one in seen:
        spans = (one.high / factors).max(axis=1) - (one.low / factors).min(axis=1)
        total += float(np.square(spans / STEPS).mean() / 12 * widths.sum())
        total += float((one.square / np.square(factors)).sum() * weights)
    return total


def _divide(graph: Graph, name: str, factors: np.ndarray, group: _Group) -> NodeProto:
    smoothed = f"{name}/smooth"
    by = graph.add(f"{name}/factors", (1 / factors).astype(np.float32))
    for node in group.nodes:
        if node.input[0] == name:
            node.input[0] = smoothed
    return helper.make_node("Mul", [name, by], [smoothed])


def _multiply(graph: Graph, node: NodeProto, factors: np.ndarray) -> None:
    name = node.input[1]
    if name in graph.importance:
        return  # several nodes read the same matrix
    transposed = node.op_type == "Gemm" and is_transposed(node)
    graph.scale(name, factors[None, :] if transposed else factors[:, None])
    graph.importance[name] = 1 / np.square(factors)


def _insert(graph: Graph, after: Mapping[str, list[NodeProto]]) -> None:
    """Puts the new nodes behind those that make what they read."""
    inputs = [entry.name for entry in graph.proto.input]
    nodes = [new for name in inputs for new in after.get(name, [])]
    for node in graph.proto.node:
        nodes.append(node)
        nodes += [new for name in node.output for new in after.get(name, [])]
    del graph.proto.node[:]
    graph.proto.node.extend(nodes)


def _weigh(graph: Graph, seen: Mapping[str, Seen], after: Mapping[str, list[NodeProto]]) -> None:
    """Errors count by the square of what they are multiplied with, as it is after smoothing."""
    names = {new.output[0]: name for name, added in after.items() for new in added}
    for node in graph.proto.node:
        name = names.get(node.input[0], node.input[0]) if node.input else ""
        if name in seen and product_of(graph, node) is not None:
            before = graph.importance.get(node.input[1], np.ones(1))
            graph.importance[node.input[1]] = (seen[name].square * before).astype(np.float32)

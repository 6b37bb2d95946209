"""Scales the channels and rows that matrices read, so that 8 bits fit quiet and loud ones alike.

Activations have one scale per tensor, and a few channels that are tens of times louder than the
others would leave those a few steps. Each channel is divided by a factor before it is quantized,
and the matrix's row multiplied by it: the product stays the same (SmoothQuant, arXiv 2211.10438).
The factors are peak(x)^α / peak(W)^(1 − α), with the α of ALPHAS whose rounding errors, of
activations and weights together, are least by the statistics of real texts.

Dividing costs nothing where what makes the channels can make them smaller: a norm's gain and bias,
a matrix before it (also across attention, which mixes positions and not channels, and across ReLU).
Elsewhere it takes one Mul, and is done only where it removes LEAST_GAIN of the error.

What the second matrix of a feed-forward reads is often loud in a few tokens and not in a few
channels: there no factor helps, and each row is divided by its own peak at run time
(row_scales.py). Norms make all tokens alike afterwards, so this is judged by the errors of the rows
in relation to their own size. It reads the tensor twice more, and is done where they err by
LEAST_ROW_ERROR and it removes LEAST_ROW_GAIN of that.
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
from edgekit.export.onnx.row_scales import LEAST_PEAK

ALPHAS = (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
LEAST_GAIN = 0.3
LEAST_ROW_GAIN = 0.5
LEAST_ROW_ERROR = 0.001
"""As a share of a row's square: 3 % of its size."""
STEPS = 255


@dataclass(slots=True)
class _Group:
    """Tensors and matrices that need the same factors, for a matrix is stored once."""

    data: set[str]
    nodes: list[NodeProto]


@dataclass(frozen=True, slots=True)
class _Way:
    """How the tensors of a group are scaled."""

    factors: np.ndarray | None
    """By which channels are divided."""
    by_row: bool


def smooth(graph: Graph, seen: Mapping[str, Seen]) -> int:
    """Rewrites the graph and registers the scales of its matrices; returns how many Muls it took.

    `seen` holds statistics of every tensor that a matrix reads; tensors without are left alone.
    Tensors whose rows are to have a scale each are named in the graph's `by_row`.
    """
    producers = Producers(graph)
    after: defaultdict[str, list[NodeProto]] = defaultdict(list)
    for group in _groups(graph, seen):
        names = sorted(group.data)
        channels, readers = len(seen[names[0]].square), {id(node) for node in group.nodes}
        plans = [producers.plan(name, channels, readers) for name in names]
        way = _best(graph, group, seen, free=all(plan is not None for plan in plans))
        if way.factors is not None:
            for name, plan in zip(names, plans, strict=True):
                if plan is not None:
                    producers.apply(plan, 1 / way.factors)
                else:
                    after[name].append(_divide(graph, name, way.factors, group))
            for node in group.nodes:
                _multiply(graph, node, way.factors)
        if way.by_row:
            graph.by_row |= {node.input[0] for node in group.nodes}
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


def _best(graph: Graph, group: _Group, seen: Mapping[str, Seen], *, free: bool) -> _Way:
    """The way of least error among those that are worth their nodes; `free` factors need none."""
    matrices = {node.input[1]: product_of(graph, node) for node in group.nodes}
    weights = np.concatenate([one for one in matrices.values() if one is not None], axis=1)
    noise = [seen[name] for name in sorted(group.data)]
    tried = [np.ones(len(weights), np.float32), *_factors(weights, noise)]

    def least(errors: list[float]) -> int:
        at = int(np.argmin(errors))
        return at if errors[at] <= errors[0] * (1 if free else 1 - LEAST_GAIN) else 0

    shared, each = (
        [_relative_error(factors, weights, noise, by_row=by_row) for factors in tried]
        for by_row in (False, True)
    )
    gained = each[least(each)] <= (1 - LEAST_ROW_GAIN) * min(shared)
    by_row = gained and min(shared) >= LEAST_ROW_ERROR
    at = least(each if by_row else [_error(factors, weights, noise) for factors in tried])
    return _Way(tried[at] if at else None, by_row)


def _factors(weights: np.ndarray, noise: list[Seen]) -> Iterator[np.ndarray]:
    """Of each α. Only their ratios count; around 1 they leave weights of the usual size."""
    peaks = np.max([np.maximum(one.high, -one.low).max(axis=0) for one in noise], axis=0)
    # A channel that is always 0 may have any factor.
    peaks = np.maximum(peaks, 1e-5 * max(float(peaks.max()), 1e-20))
    loudest = np.abs(weights).max(axis=1)
    loudest = np.maximum(loudest, 1e-5 * max(float(loudest.max()), 1e-20))
    for alpha in ALPHAS:
        factors = peaks**alpha / loudest ** (1 - alpha)
        yield (factors / np.exp(np.log(factors).mean())).astype(np.float32)


def _error(factors: np.ndarray, weights: np.ndarray, seen: list[Seen]) -> float:
    """The mean squared error of the products with 8-bit activations and 8-bit weights."""
    gains, columns = _gains(factors, weights)
    total = 0.0
    for one in seen:
        total += float(np.square(_steps(one, factors)).mean() / 12 * gains.sum())
        total += float((one.square / np.square(factors)).sum() * columns)
    return total


def _relative_error(
    factors: np.ndarray, weights: np.ndarray, seen: list[Seen], *, by_row: bool
) -> float:
    """The mean over rows of that error as a share of what the row's product is, 1 at most."""
    gains, columns = _gains(factors, weights)
    found = []
    for one in seen:
        rows = one.rows / factors
        steps = _row_steps(rows) if by_row else _steps(one, factors)[one.runs]
        squares = np.square(rows)
        errors = np.square(steps) / 12 * gains.sum() + squares.sum(axis=1) * columns
        sizes = squares @ gains
        found.append(np.minimum(errors, sizes)[sizes > 0] / sizes[sizes > 0])
    joined = np.concatenate(found)
    return float(joined.mean()) if len(joined) else 0.0


def _gains(factors: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """By channel, what a product makes of a squared error; and what the weights' own errors do."""
    scaled = weights * factors[:, None]
    columns = np.square(np.abs(scaled).max(axis=0) / (STEPS / 2)).sum() / 12
    return np.square(scaled).sum(axis=1), float(columns)


def _steps(one: Seen, factors: np.ndarray) -> np.ndarray:
    """The widths of a step of 8 bits, run by run."""
    spans = (one.high / factors).max(axis=1) - (one.low / factors).min(axis=1)
    return np.asarray(spans / STEPS)


def _row_steps(rows: np.ndarray) -> np.ndarray:
    """The same of rows that are divided by their peaks, row by row."""
    peaks = np.maximum(np.abs(rows).max(axis=1), LEAST_PEAK)
    unit = rows / peaks[:, None]
    return np.asarray(peaks * (max(float(unit.max()), 0) - min(float(unit.min()), 0)) / STEPS)


def _divide(graph: Graph, name: str, factors: np.ndarray, group: _Group) -> NodeProto:
    smoothed = f"{name}/smooth"
    by = graph.add(f"{name}/factors", (1 / factors).astype(np.float32))
    for node in group.nodes:
        if node.input[0] == name:
            node.input[0] = smoothed
    return helper.make_node("Mul", [name, by], [smoothed])


def _multiply(graph: Graph, node: NodeProto, factors: np.ndarray) -> None:
    name = node.input[1]
    if name in graph.divisors:
        return  # several nodes read the same matrix
    transposed = node.op_type == "Gemm" and is_transposed(node)
    graph.scale(name, factors[None, :] if transposed else factors[:, None])
    graph.divisors[name] = factors


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
            graph.reads[node.input[1]].add(name)
    for matrix, read in graph.reads.items():
        squares = np.mean([seen[name].square for name in sorted(read)], axis=0)
        divisors = graph.divisors.get(matrix, np.ones(1))
        graph.importance[matrix] = (squares / np.square(divisors)).astype(np.float32)

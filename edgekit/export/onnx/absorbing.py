"""Finds what makes a tensor's channels smaller at no cost. Knows neither statistics nor schemes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, helper

from edgekit.export.onnx.graph import Graph, is_transposed, product_of

_HEADS_APART = [0, 2, 1, 3]


@dataclass(frozen=True, slots=True)
class _Edit:
    """One constant of a node that is scaled along its outputs."""

    node: NodeProto
    input: int


class Producers:
    """Who makes each tensor, and how many read it."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._makers = {name: node for node in graph.proto.node for name in node.output}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in graph.proto.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._roots = Counter(
            graph.root(name) for node in graph.proto.node for name in set(node.input)
        )
        self._outputs = {entry.name for entry in graph.proto.output}

    def plan(self, name: str, size: int, readers: Collection[int]) -> list[_Edit] | None:
        """What to scale so that the tensor's `size` channels are scaled, None where nothing can.

        `readers` are the ids of the nodes that may read the scaled tensor.
        """
        own = {id(node) for node in self._readers.get(name, [])}
        if name in self._outputs or not own <= set(readers):
            return None
        return self._made(name, size)

    def apply(self, plan: list[_Edit], by: np.ndarray) -> None:
        graph = self._graph
        for edit in plan:
            name = edit.node.input[edit.input]
            values = graph.vector(name, len(by))
            if values is None:
                transposed = edit.node.op_type == "Gemm" and is_transposed(edit.node)
                graph.scale(name, by[:, None] if transposed else by[None, :])
            else:
                scaled = graph.add(f"{edit.node.output[0]}/{edit.input}", values * by)
                edit.node.input[edit.input] = scaled

    def _made(self, name: str, size: int) -> list[_Edit] | None:
        node = self._makers.get(name)
        if node is None:
            return None
        if node.op_type == "LayerNormalization":
            edits = [_Edit(node, number) for number in range(1, len(node.input))]
            return edits if all(self._is_vector(edit, size) for edit in edits) else None
        if product_of(self._graph, node) is not None:
            return self._matrix(node, size)
        if node.op_type == "Relu":
            return self._alone(node.input[0], size)
        if node.op_type == "Mul":
            return self._one_of_two(node, size)
        if node.op_type == "Add":
            return self._sum(node, size)
        if node.op_type == "Reshape":
            return self._attention(node, size)
        return None

    def _alone(self, name: str, size: int) -> list[_Edit] | None:
        """As `_made`, for a tensor that nothing else reads."""
        if len(self._readers.get(name, [])) != 1 or name in self._outputs:
            return None
        return self._made(name, size)

    def _is_vector(self, edit: _Edit, size: int) -> bool:
        return self._graph.vector(edit.node.input[edit.input], size) is not None

    def _matrix(self, node: NodeProto, size: int) -> list[_Edit] | None:
        # A matrix that others read, too, must stay as it is.
        if self._roots[self._graph.root(node.input[1])] != 1:
            return None
        edits = [_Edit(node, number) for number in range(1, len(node.input))]
        return edits if all(self._is_vector(edit, size) for edit in edits[1:]) else None

    def _one_of_two(self, node: NodeProto, size: int) -> list[_Edit] | None:
        for number in (0, 1):
            if self._is_vector(_Edit(node, number), size):
                return [_Edit(node, number)]
        plans = (self._alone(name, size) for name in node.input)
        return next((plan for plan in plans if plan is not None), None)

    def _sum(self, node: NodeProto, size: int) -> list[_Edit] | None:
        for number in (0, 1):
            if self._is_vector(_Edit(node, number), size):
                other = self._alone(node.input[1 - number], size)
                return None if other is None else [*other, _Edit(node, number)]
        return None

    def _attention(self, node: NodeProto, size: int) -> list[_Edit] | None:
        """Weighted means over positions: heads are taken apart, averaged and put together."""
        chain = [node]
        for kind, number in (
            ("Transpose", 0),
            ("MatMul", 0),
            ("Transpose", 1),
            ("Reshape", 0),
        ):
            name = chain[-1].input[number]
            maker = self._makers.get(name)
            if maker is None or maker.op_type != kind or len(self._readers[name]) != 1:
                return None
            chain.append(maker)
        if not all(_is_apart(one) for one in (chain[1], chain[3])):
            return None
        return self._alone(chain[-1].input[0], size)


def _is_apart(transpose: NodeProto) -> bool:
    values = {a.name: helper.get_attribute_value(a) for a in transpose.attribute}
    return list(values.get("perm", [])) == _HEADS_APART

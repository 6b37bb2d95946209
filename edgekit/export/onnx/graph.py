"""An ONNX graph while it is rewritten: its constants by name. Knows no scheme of quantization."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

# Smaller matrices and tables stay as they are: there is nothing to gain.
LEAST_WEIGHTS = 4096


class Graph:
    """Initializers by name, new ones, and the quantized inputs that several matrices share."""

    def __init__(self, model: onnx.ModelProto, weights: Mapping[str, np.ndarray]) -> None:
        """`weights` are the large initializers, whose data the model itself does not hold."""
        self.proto = model.graph
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.weights = weights
        self.aliases = {
            node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"
        }
        self.opset = next(one.version for one in model.opset_import if not one.domain)
        self.quantized_inputs: set[str] = set()
        self.by_row: set[str] = set()
        """Tensors whose rows are quantized with a scale each."""
        self.importance: dict[str, np.ndarray] = {}
        """By the name of a matrix: how much an error in each of its inputs counts."""
        self.reads: defaultdict[str, set[str]] = defaultdict(set)
        """By the name of a matrix: the observed tensors that it is multiplied with."""
        self.divisors: dict[str, np.ndarray] = {}
        """By the name of a matrix: what the channels of these tensors are divided by since."""
        self.covariance_of: Callable[[str], np.ndarray | None] = lambda name: None
        """How the channels of an observed tensor go together; None where that is not known."""
        self._scales: defaultdict[str, list[np.ndarray]] = defaultdict(list)
        self.heads = self._heads()
        """Tables both looked up and multiplied, by the name of their transposition."""

    def _heads(self) -> dict[str, str]:
        looked_up = {node.input[0] for node in self.proto.node if node.op_type == "Gather"}
        return {
            node.output[0]: node.input[0]
            for node in self.proto.node
            if node.op_type == "Transpose"
            and node.input[0] in looked_up
            and self.matrix(node.input[0]) is not None
        }

    def matrix(self, name: str) -> np.ndarray | None:
        """A constant float matrix that is worth quantizing, by the name that a node uses."""
        root = self.root(name)
        tensor = self.initializers.get(root)
        if tensor is None or tensor.data_type != TensorProto.FLOAT or len(tensor.dims) != 2:
            return None
        if np.prod(tensor.dims) < LEAST_WEIGHTS:
            return None
        found = self.weights[root] if root in self.weights else numpy_helper.to_array(tensor)
        for scale in self._scales[name]:
            found = found * scale
        return found

    def vector(self, name: str, size: int) -> np.ndarray | None:
        """A constant float vector of this size, by the name that a node uses."""
        root = self.root(name)
        tensor = self.initializers.get(root)
        if tensor is None or tensor.data_type != TensorProto.FLOAT or list(tensor.dims) != [size]:
            return None
        return self.weights[root] if root in self.weights else numpy_helper.to_array(tensor)

    def root(self, name: str) -> str:
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def scale(self, name: str, by: np.ndarray) -> None:
        """Multiplies a matrix by what is broadcast to its shape, wherever it is read by `name`."""
        self._scales[name].append(by)

    def add(self, name: str, values: np.ndarray) -> str:
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(values, name)
        return name

    def drop_unused(self) -> None:
        """Keeps the initializers that a node still reads, and no others."""
        used = {name for node in self.proto.node for name in node.input}
        kept = [tensor for name, tensor in self.initializers.items() if name in used]
        for tensor in kept:
            if tensor.name in self.weights:
                tensor.raw_data = self.weights[tensor.name].tobytes()
        del self.proto.initializer[:]
        self.proto.initializer.extend(kept)


def is_linear(node: NodeProto) -> bool:
    """Whether a Gemm is x·Wᵀ + b or x·W + b, with nothing scaled."""
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    plain = values.get("alpha", 1.0) == 1.0 and values.get("beta", 1.0) == 1.0
    return plain and not values.get("transA", 0)


def is_transposed(node: NodeProto) -> bool:
    """Whether a Gemm's matrix is stored as (outputs, inputs)."""
    return any(a.name == "transB" and a.i for a in node.attribute)


def product_of(graph: Graph, node: NodeProto) -> np.ndarray | None:
    """The matrix (inputs, outputs) of a node that multiplies by a constant one, else None."""
    if node.op_type == "MatMul" and node.input[1] not in graph.heads:
        return graph.matrix(node.input[1])
    if node.op_type == "Gemm" and is_linear(node):
        found = graph.matrix(node.input[1])
        return found.T if found is not None and is_transposed(node) else found
    return None

"""Small ONNX models as bytes, without the package onnx, which target machines lack. Runs nothing.

As much of onnx.proto3 as nodes, raw tensors and float inputs of a fixed shape take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_IR, _OPSET = 8, 13
_ELEMENT = {"float32": 1, "uint8": 2, "int8": 3}
"""TensorProto.DataType."""
_VARINT, _BYTES = 0, 2


@dataclass(frozen=True, slots=True)
class Node:
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def model(
    nodes: Sequence[Node],
    *,
    inputs: Mapping[str, Sequence[int]],
    weights: Mapping[str, np.ndarray],
    output: str,
) -> bytes:
    """`inputs` are the shapes of float32 tensors; the output's type and shape are inferred."""
    graph = b"".join(_field(1, _node(node)) for node in nodes)
    graph += _field(2, b"probe")
    graph += b"".join(_field(5, _tensor(name, values)) for name, values in weights.items())
    graph += b"".join(_field(11, _value(name, shape)) for name, shape in inputs.items())
    graph += _field(12, _field(1, output.encode()))
    opset = _field(1, b"") + _number(2, _OPSET)
    return _number(1, _IR) + _field(8, opset) + _field(7, graph)


def _node(node: Node) -> bytes:
    names = [(1, name) for name in node.inputs] + [(2, name) for name in node.outputs]
    return b"".join(_field(key, name.encode()) for key, name in names) + _field(
        4, node.operator.encode()
    )


def _tensor(name: str, values: np.ndarray) -> bytes:
    dimensions = b"".join(_number(1, size) for size in values.shape)
    kind = _number(2, _ELEMENT[str(values.dtype)])
    return dimensions + kind + _field(8, name.encode()) + _field(9, values.tobytes())


def _value(name: str, shape: Sequence[int]) -> bytes:
    dimensions = b"".join(_field(1, _number(1, size)) for size in shape)
    tensor = _number(1, _ELEMENT["float32"]) + _field(2, dimensions)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(key: int, data: bytes) -> bytes:
    return _varint(key << 3 | _BYTES) + _varint(len(data)) + data


def _number(key: int, value: int) -> bytes:
    return _varint(key << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)

"""Opens an ONNX file without loading its weights, and appends one to it. Runs no model.

An ONNX file is one protobuf message, in which large tensors are stored raw: they are left in the
file and read through a memory map. Protobuf merges messages that follow each other, lists growing,
so a tensor is added to a graph by writing after the file's end
(protobuf.dev/programming-guides/encoding, "Last One Wins" and merging; the field numbers are those
of onnx.proto).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from edgekit.errors import ExportError

# Smaller tensors are constants of the graph; they stay in it.
LEAST_BYTES = 4096
# Numbers written at once.
PART = 4_000_000
_MODEL_GRAPH = 7
_GRAPH_INITIALIZER, _GRAPH_OUTPUT = 5, 12
_VALUE_NAME = 1
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def open_weights(path: Path) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The model without its large float tensors, and those by name, read-only and not read yet.

    The tensors keep their place in the model's list of initializers, without data.
    """
    if path.stat().st_size == 0:
        raise _damaged(path)  # nothing can be mapped
    with path.open("rb") as stream:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    lifted: dict[str, np.ndarray] = {}
    model = onnx.ModelProto.FromString(b"".join(_without_weights(data, path, lifted)))
    return model, lifted


def append_weight(path: Path, name: str, values: np.ndarray) -> None:
    """Adds a float tensor to the initializers of the graph, a part at a time."""
    head = b"".join(
        [
            *(_number(_TENSOR_DIMS, count) for count in values.shape),
            _number(_TENSOR_TYPE, TensorProto.FLOAT),
            _bytes(_TENSOR_NAME, name.encode("utf-8")),
            _open(_TENSOR_RAW, values.nbytes),
        ]
    )
    initializer = _open(_GRAPH_INITIALIZER, len(head) + values.nbytes) + head
    flat = values.reshape(-1)
    with path.open("ab") as stream:
        stream.write(_open(_MODEL_GRAPH, len(initializer) + values.nbytes) + initializer)
        for start in range(0, len(flat), PART):
            stream.write(flat[start : start + PART].astype("<f4").tobytes())


def append_output(path: Path, name: str) -> None:
    """Makes the graph return one more of its tensors, of whatever type and shape it has."""
    output = _bytes(_GRAPH_OUTPUT, _bytes(_VALUE_NAME, name.encode("utf-8")))
    with path.open("ab") as stream:
        stream.write(_bytes(_MODEL_GRAPH, output))


def _without_weights(data: mmap.mmap, path: Path, lifted: dict[str, np.ndarray]) -> Iterator[bytes]:
    for number, begin, content, end in _fields(data, 0, len(data), path):
        if number == _MODEL_GRAPH:
            yield _bytes(number, b"".join(_graph(data, content, end, path, lifted)))
        else:
            yield data[begin:end]


def _graph(
    data: mmap.mmap, start: int, stop: int, path: Path, lifted: dict[str, np.ndarray]
) -> Iterator[bytes]:
    for number, begin, content, end in _fields(data, start, stop, path):
        if number == _GRAPH_INITIALIZER and end - content >= LEAST_BYTES:
            yield _bytes(number, _tensor(data, content, end, path, lifted))
        else:
            yield data[begin:end]


def _tensor(
    data: mmap.mmap, start: int, stop: int, path: Path, lifted: dict[str, np.ndarray]
) -> bytes:
    """The tensor's message without its data, which goes into `lifted`; whole if it is not float."""
    kept, raw = [], None
    for number, begin, content, end in _fields(data, start, stop, path):
        if number == _TENSOR_RAW:
            raw = content
        else:
            kept.append(data[begin:end])
    tensor = TensorProto.FromString(b"".join(kept))
    if raw is None or tensor.data_type != TensorProto.FLOAT:
        return data[start:stop]
    shape = tuple(tensor.dims)
    flat = np.frombuffer(data, "<f4", count=int(np.prod(shape)), offset=raw)
    lifted[tensor.name] = flat.reshape(shape)
    return b"".join(kept)


def _fields(
    data: mmap.mmap, start: int, stop: int, path: Path
) -> Iterator[tuple[int, int, int, int]]:
    """Number, begin, begin of the content and end of each field of the message in data[start:stop].

    Raises ExportError where this is not a protobuf message.
    """
    at = start
    while at < stop:
        key, content = _read_number(data, at, stop, path)
        kind = key & 7
        if kind == _VARINT:
            _, end = _read_number(data, content, stop, path)
        elif kind == _BYTES:
            length, content = _read_number(data, content, stop, path)
            end = content + length
        elif kind in (_FIXED32, _FIXED64):
            end = content + (4 if kind == _FIXED32 else 8)
        else:
            raise _damaged(path)
        if end > stop:
            raise _damaged(path)
        yield key >> 3, at, content, end
        at = end


def _read_number(data: mmap.mmap, at: int, stop: int, path: Path) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= stop:
            raise _damaged(path)
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _damaged(path)


def _damaged(path: Path) -> ExportError:
    return ExportError(f"{path}: this is no ONNX file, or it is cut or damaged; export it again.")


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _open(field: int, length: int) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(length)


def _bytes(field: int, content: bytes) -> bytes:
    return _open(field, len(content)) + content

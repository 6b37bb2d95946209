"""Finds the large tensors of an ONNX file and maps them, so that processes share their pages.

onnxruntime copies every tensor of a file into memory of its own; one that it is given instead is
used where it lies. Reads as much of the file format (protobuf) as says where tensors are.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.errors import IntegrityError

LEAST_BYTES = 1 << 20
"""Smaller tensors are not worth a mapping."""
# Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, and those of TensorProto.
_GRAPH, _INITIALIZER = 7, 5
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 10: np.float16}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where the values of a tensor are in a file."""

    name: str
    shape: tuple[int, ...]
    dtype: type
    start: int
    size: int


def mapped(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """The large tensors of a model by name, as views of the file at `path`, whose checked bytes are
    `data`. Raises IntegrityError where the file has other bytes by now.

    Who changes the file in place changes the model; to put another in its place is safe.
    """
    places = [place for place in tensors(data) if place.size >= LEAST_BYTES]
    if not places:
        return {}
    with path.open("rb") as stream:
        pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    found = {}
    for place in places:
        part = slice(place.start, place.start + place.size)
        if memoryview(pages)[part] != memoryview(data)[part]:
            raise IntegrityError(f"{path}: the file was changed while it was opened; try again.")
        flat: np.ndarray = np.frombuffer(pages, np.uint8, place.size, place.start).view(place.dtype)
        found[place.name] = flat.reshape(place.shape)
    return found


def tensors(data: bytes) -> Iterator[Place]:
    """The tensors that can be used where they lie: of a plain type, and aligned to it."""
    view = memoryview(data)
    for number, graph in _fields(view, 0, len(view)):
        if number == _GRAPH and isinstance(graph, slice):
            for inner, tensor in _fields(view, graph.start, graph.stop):
                if inner == _INITIALIZER and isinstance(tensor, slice):
                    place = _tensor(view, tensor)
                    if place is not None:
                        yield place


def _tensor(view: memoryview, where: slice) -> Place | None:
    shape, kind, name, raw = list[int](), 0, "", None
    for number, value in _fields(view, where.start, where.stop):
        if number == _DIMS:
            shape += [value] if isinstance(value, int) else _packed(view, value)
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and isinstance(value, slice):
            name = str(view[value], "utf-8")
        elif number == _RAW and isinstance(value, slice):
            raw = value
    dtype = _TYPES.get(kind)
    if raw is None or dtype is None:
        return None
    size, width = raw.stop - raw.start, np.dtype(dtype).itemsize
    whole = size == width * int(np.prod(shape, dtype=np.int64))
    return (
        Place(name, tuple(shape), dtype, raw.start, size)
        if whole and not raw.start % width
        else None
    )


def _packed(view: memoryview, where: slice) -> list[int]:
    values, at = [], where.start
    while at < where.stop:
        value, at = _varint(view, at)
        values.append(value)
    return values


def _fields(view: memoryview, at: int, end: int) -> Iterator[tuple[int, int | slice]]:
    """The fields of a message: their numbers, and a value or where its bytes are."""
    end = min(end, len(view))  # of a damaged file, a field may say that it goes on behind it
    while at < end:
        key, at = _varint(view, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(view, at)
            yield number, value
        elif wire == _BYTES:
            size, at = _varint(view, at)
            yield number, slice(at, at + size)
            at += size
        elif wire in (_FIXED32, _FIXED64):
            at += 4 if wire == _FIXED32 else 8
        else:
            return  # not a file of this format; onnxruntime will say so


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(view):
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    return value, at

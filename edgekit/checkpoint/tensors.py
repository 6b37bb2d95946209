"""Reads tensors of a safetensors folder a part at a time, through a memory map. Knows no model.

Only numpy: bfloat16, which numpy lacks, is read as the upper half of float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.checkpoint import weights
from edgekit.errors import CheckpointError

PART = 500_000
"""How many numbers are held at once."""
_BFLOAT16 = "BF16"
_TYPES: dict[str, np.dtype[Any]] = {
    _BFLOAT16: np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies in its file."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    kind: str
    """Its dtype, as safetensors calls it."""

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def number(self) -> np.dtype[Any]:
        """The dtype that it is stored in; for bfloat16, that of its 16 bits."""
        return _TYPES[self.kind]

    @property
    def item_bytes(self) -> int:
        """Bytes of one stored number."""
        return self.number.itemsize

    def rows(self, order: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Rows as float32 of shape (some, …), a few at a time: all, or those in `order`."""
        return map(self.float32, self.stored(order))

    def stored(self, order: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Like `rows`, in the dtype that they are stored in; bfloat16 as its 16 bits."""
        shape = self.shape or (1,)  # a single number is a row of its own
        stored = np.memmap(self.path, dtype=self.number, mode="r", offset=self.offset, shape=shape)
        count = max(1, PART * shape[0] // max(1, self.size))
        for start in range(0, shape[0] if order is None else len(order), count):
            rows = slice(start, start + count)
            yield np.asarray(stored[rows if order is None else order[rows]])

    def float32(self, part: np.ndarray) -> np.ndarray:
        """Stored numbers as float32."""
        if self.kind == _BFLOAT16:
            return (part.astype("<u4") << 16).view("<f4")
        return part.astype("<f4")


@dataclass(frozen=True, slots=True)
class Computed:
    """A tensor that is computed and in no file."""

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    @property
    def number(self) -> np.dtype[Any]:
        return self.values.dtype

    @property
    def size(self) -> int:
        return int(self.values.size)

    def stored(self, order: np.ndarray | None = None) -> Iterator[np.ndarray]:
        yield self.values if order is None else self.values[order]

    def float32(self, part: np.ndarray) -> np.ndarray:
        return part.astype("<f4")


def read(folder: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint by name; raises CheckpointError for other dtypes."""
    return {name: of(name, place) for name, place in weights.places(folder).items()}


def of(name: str, place: weights.Place) -> Tensor:
    """One tensor; CheckpointError if it is of another dtype."""
    if place.kind not in _TYPES:
        raise CheckpointError(
            f"{place.path}: '{name}' is of type {place.kind}, and only {', '.join(sorted(_TYPES))} "
            "can be exported; save the checkpoint before it was quantized."
        )
    return Tensor(place.path, place.offset, place.shape, place.kind)

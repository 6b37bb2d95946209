"""Weights as ggml's blocks of bytes: makes them, reads them, and sets each weight's code.

A block has one scale or several, and a code of a few bits for each weight; this module knows which
bits of its bytes those are. Layouts: ggml-common.h and dequantize_row_* in ggml-quants.c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import gguf
import numpy as np

from edgekit.export.gguf.types import TYPES

_SMALL, _LARGE = np.arange(32), np.arange(256)
_NONLINEAR = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], dtype=np.float32
)
"""kvalues_iq4nl: what each code of the iq4 types stands for, in scales."""
_ONE = 8
"""The code that stands for 1 among these."""


def _nibbles(first: int, weights: np.ndarray, half: int) -> list[np.ndarray]:
    """Groups of four bits: the low halves of `half` bytes, then the high halves of the same."""
    stretch, place = np.divmod(weights, 2 * half)
    low = 8 * (first + stretch * half + place % half) + 4 * (place // half)
    return [low + bit for bit in range(4)]


def _q6_k() -> list[np.ndarray]:
    half, place = np.divmod(_LARGE, 128)
    quarter, lane = np.divmod(place, 32)
    low = 8 * (64 * half + 32 * (quarter % 2) + lane) + 4 * (quarter // 2)
    high = 8 * (128 + 32 * half + lane) + 2 * quarter
    return [*(low + bit for bit in range(4)), *(high + bit for bit in range(2))]


def _q3_k() -> list[np.ndarray]:
    half, place = np.divmod(_LARGE, 128)
    quarter, lane = np.divmod(place, 32)
    low = 8 * (32 + 32 * half + lane) + 2 * quarter
    return [low, low + 1, 8 * lane + 4 * half + quarter]


_BITS: Mapping[str, list[np.ndarray]] = {
    "q3_k": _q3_k(),
    "q4_0": _nibbles(2, _SMALL, 16),
    "iq4_nl": _nibbles(2, _SMALL, 16),
    "iq4_xs": _nibbles(8, _LARGE, 16),
    "q4_k": _nibbles(16, _LARGE, 32),
    "q4_1": _nibbles(4, _SMALL, 16),
    "q5_0": [*_nibbles(6, _SMALL, 16), 8 * 2 + _SMALL],
    "q5_k": [*_nibbles(48, _LARGE, 32), 8 * (16 + _LARGE % 32) + _LARGE // 32],
    "q5_1": [*_nibbles(8, _SMALL, 16), 8 * 4 + _SMALL],
    "q6_k": _q6_k(),
    "q8_0": [8 * (2 + _SMALL) + bit for bit in range(8)],
}
"""By type: where in a block the lowest bit of each weight's code is, the next one, and so on."""


def quantize(
    chunk: Callable[..., int], values: np.ndarray, type_: str, columns: np.ndarray
) -> np.ndarray:
    """Through llama.cpp's ggml_quantize_chunk: uint8 of shape (rows, bytes of a row).

    `columns` gives the weight of a squared error in each column.
    """
    values = np.ascontiguousarray(values, dtype=np.float32)
    columns = np.ascontiguousarray(columns, dtype=np.float32)
    rows, width = values.shape
    chosen = TYPES[type_]
    packed = np.empty((rows, chosen.row_bytes(width)), dtype=np.uint8)
    chunk(
        chosen.number, values.ctypes.data, packed.ctypes.data, 0, rows, width, columns.ctypes.data
    )
    return packed


def dequantize(packed: np.ndarray, type_: str) -> np.ndarray:
    """float32 of shape (rows, columns)."""
    kind = gguf.GGMLQuantizationType(TYPES[type_].number)
    return np.asarray(gguf.dequantize(packed, kind))


def with_codes(packed: np.ndarray, type_: str, codes: np.ndarray) -> np.ndarray:
    """The same scales with other codes; `codes` are uint8 of shape (blocks, weights of a block).

    `packed` has one block in each row.
    """
    places = np.stack(_BITS[type_], axis=1)
    bits = np.unpackbits(packed, axis=1, bitorder="little")
    bits[:, places] = (codes[:, :, None] >> np.arange(places.shape[1], dtype=np.uint8)) & 1
    return np.packbits(bits, axis=1, bitorder="little")


@dataclass(frozen=True, slots=True)
class Levels:
    """The values that the weights of some blocks can have; arrays of shape (blocks, weights)."""

    type: str
    scale: np.ndarray
    offset: np.ndarray
    """The value of the code 0; unused by the iq4 types."""

    @classmethod
    def of(cls, packed: np.ndarray, type_: str) -> Levels:
        """`packed` has one block in each row."""
        shape = (len(packed), TYPES[type_].block)

        def at(code: int) -> np.ndarray:
            codes = np.full(shape, code, dtype=np.uint8)
            return dequantize(with_codes(packed, type_, codes), type_)

        if _is_nonlinear(type_):
            return cls(type_, at(_ONE), np.zeros(shape, dtype=np.float32))
        offset = at(0)
        return cls(type_, at(1) - offset, offset)

    def nearest(self, values: np.ndarray, weight: int) -> tuple[np.ndarray, np.ndarray]:
        """Codes and values of one weight of every block, nearest to the given values; (blocks,)."""
        scale, offset = self.scale[:, weight], self.offset[:, weight]
        steps = np.divide(values - offset, scale, out=np.zeros_like(values), where=scale != 0)
        if _is_nonlinear(self.type):
            codes = np.searchsorted((_NONLINEAR[1:] + _NONLINEAR[:-1]) / 2, steps)
            return codes.astype(np.uint8), _NONLINEAR[codes] * scale
        least, kind = (-128, np.int8) if self.type == "q8_0" else (0, np.uint8)
        rounded = np.rint(steps).clip(least, least + 2 ** len(_BITS[self.type]) - 1)
        return rounded.astype(kind).view(np.uint8), rounded * scale + offset


def _is_nonlinear(type_: str) -> bool:
    return type_.startswith("iq4")

"""Rounds the rows of a matrix to ggml's blocks by GPTQ (export/gptq.py). Knows no file.

The scales of a block are those that llama.cpp finds for the weights as they are by then, each
weighted by what an error in it costs where the later ones compensate for it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgekit.export.gguf import blocks
from edgekit.export.gguf.types import TYPES
from edgekit.export.gptq import STEP, costs, round_columns


def quantize(
    chunk: Callable[..., int], values: np.ndarray, type_: str, upper: np.ndarray
) -> np.ndarray:
    """Rows of weights as blocks: uint8 of shape (rows, bytes of a row).

    `chunk` is llama.cpp's ggml_quantize_chunk, `upper` comes from export.gptq.factor. STEP divides
    all block sizes.
    """
    left = values.astype(np.float32)
    block, cost = TYPES[type_].block, costs(upper)
    packed = []
    for start in range(0, values.shape[1], block):
        own = slice(start, start + block)
        scaled = blocks.quantize(chunk, left[:, own], type_, cost[own])
        levels = blocks.Levels.of(scaled, type_)
        codes = [
            round_columns(left, upper, first, _nearest(levels, first - start))
            for first in range(start, start + block, STEP)
        ]
        packed.append(blocks.with_codes(scaled, type_, np.concatenate(codes, axis=1)))
    return np.concatenate(packed, axis=1)


def _nearest(
    levels: blocks.Levels, first: int
) -> Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    """For columns of which the first is `first` in its block."""
    return lambda columns, number: levels.nearest(columns[number], first + number)

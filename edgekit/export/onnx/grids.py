"""Rounds weights to grids of few integers, in numpy. Knows nothing of ONNX or of models.

Every grid is symmetric around zero and is chosen for the least squared error, not for the range:
clipping the largest weight a little costs less than the coarser grid that it forces on the others.
"""

from __future__ import annotations

import numpy as np

BLOCK = 32
"""Weights that share a scale in 4 bits."""
CLIPS = (1.0, 0.97, 0.94, 0.9, 0.86, 0.82)
# In 4 bits the grid is so coarse that a wider one may fit better, too.
BLOCK_CLIPS = (8 / 7, 1.06, 1.0, 0.95, 0.9, 0.85, 0.8, 0.74, 0.68)
PAIR = 128
"""What two neighbours of a paired row add up to at most, each without its sign."""
# Of a paired row: from 7 bits, where every pair fits, to 8, where the largest pairs are clipped.
PAIR_CLIPS = (127 / 64, 1.75, 1.55, 1.38, 1.22, 1.1, 1.0, 0.92, 0.86)
# Numbers processed at once: memory stays close to that of the result.
PART = 4_000_000


def quantize_rows(
    rows: np.ndarray, *, limit: int, paired: bool = False, weighed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric integers in ±limit for each row, and the rows' scales: row ≈ integers · scale.

    Of several clipped ranges, each row takes the one with the least squared error. Where rows are
    `paired`, the values at 2i and 2i + 1 add up to at most PAIR if they have the same sign. Errors
    may be `weighed`, column by column.
    """
    integers = np.empty(rows.shape, np.int8)
    scales = np.empty(len(rows), np.float32)
    step = max(1, PART // rows.shape[1])
    for start in range(0, len(rows), step):
        part = np.asarray(rows[start : start + step], np.float32)
        found, scale = _best_rows(part, limit, paired=paired, weighed=weighed)
        integers[start : start + step], scales[start : start + step] = found, scale
    return integers, scales


def _best_rows(
    part: np.ndarray, limit: int, *, paired: bool, weighed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    peak = np.abs(part).max(axis=1)
    least = np.full(len(part), np.inf, np.float32)
    integers = np.zeros(part.shape, np.int8)
    scales = np.ones(len(part), np.float32)
    for clip in PAIR_CLIPS if paired else CLIPS:
        # A row of zeros has no range; any scale reproduces it.
        scale = np.where(peak > 0, peak * np.float32(clip) / limit, 1).astype(np.float32)
        grid = np.clip(np.rint(part / scale[:, None]), -limit, limit)
        if paired:
            _fit_pairs(grid)
        errors = np.square(grid * scale[:, None] - part)
        error = errors.sum(axis=1) if weighed is None else errors @ weighed
        better = error < least
        integers[better], scales[better], least[better] = grid[better], scale[better], error[better]
    return integers, scales


def _fit_pairs(grid: np.ndarray) -> None:
    """Takes from both of a pair, in place, what they are too large together."""
    even, odd = grid[:, 0 : grid.shape[1] - 1 : 2], grid[:, 1::2]
    excess = np.maximum(np.abs(even + odd) - PAIR, 0)
    # Values of opposite signs never exceed it, for each is below it.
    sign = np.sign(even)
    even -= sign * np.ceil(excess / 2)
    odd -= sign * np.floor(excess / 2)


def quantize_blocks(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """4-bit integers of shape (rows, blocks·BLOCK), in −8 … 7, and scales of shape (rows, blocks).

    Rows are padded with zeros to whole blocks. A scale may be negative, so that the side of zero
    with the largest weight gets the grid's eighth value; it is fitted to its integers by least
    squares and rounded to 16 bits, in which tables keep it.
    """
    blocks = -(-rows.shape[1] // BLOCK)
    integers = np.empty((len(rows), blocks * BLOCK), np.int8)
    scales = np.empty((len(rows), blocks), np.float32)
    step = max(1, PART // (blocks * BLOCK))
    for start in range(0, len(rows), step):
        part = np.asarray(rows[start : start + step], np.float32)
        filled = np.zeros((len(part), blocks * BLOCK), np.float32)
        filled[:, : rows.shape[1]] = part
        found, scale = _best_blocks(filled.reshape(-1, BLOCK))
        integers[start : start + step] = found.reshape(filled.shape)
        scales[start : start + step] = scale.reshape(-1, blocks)
    return integers, scales


def _best_blocks(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    peak = np.take_along_axis(part, np.abs(part).argmax(axis=1)[:, None], axis=1)[:, 0]
    least = np.full(len(part), np.inf, np.float32)
    integers = np.zeros(part.shape, np.int8)
    scales = np.zeros(len(part), np.float32)
    for clip in BLOCK_CLIPS:
        scale = _as_stored(peak * np.float32(clip) / -8)
        grid = _nearest(part, scale)
        # The best scale for these integers, and the nearest integers for that scale.
        squares = np.square(grid).sum(axis=1)
        fitted = _as_stored((grid * part).sum(axis=1) / np.where(squares > 0, squares, 1))
        grid = _nearest(part, fitted)
        error = np.square(grid * fitted[:, None] - part).sum(axis=1)
        better = error < least
        integers[better], scales[better] = grid[better], fitted[better]
        least[better] = error[better]
    return integers, scales


def _as_stored(scales: np.ndarray) -> np.ndarray:
    return scales.astype(np.float16).astype(np.float32)


def _nearest(part: np.ndarray, scale: np.ndarray) -> np.ndarray:
    divisor = np.where(scale != 0, scale, 1)[:, None]
    return np.clip(np.rint(part / divisor), -8, 7)


def pack_nibbles(integers: np.ndarray) -> np.ndarray:
    """Two 4-bit integers per byte, the first in the low half, each raised by 8."""
    raised = (integers + 8).astype(np.uint8)
    return raised[..., 0::2] | (raised[..., 1::2] << 4)

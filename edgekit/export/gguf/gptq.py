"""Rounds the rows of a matrix by GPTQ (Frantar et al. 2022, arXiv 2210.17323). Knows no file.

Columns are rounded one after another, and the effect on the products is compensated by the columns
still to come, as far as the covariance of the inputs allows. The scales of a block are those that
llama.cpp finds for the weights as they are by then, each weighted by what an error in it costs
where the later ones compensate for it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgekit.export.gguf import blocks
from edgekit.export.gguf.types import TYPES

DAMPING = 0.01
"""Added to the variances, as a share of their mean: no combination of inputs is mistaken for one
that never occurs, however few texts were read."""
STEP = 32
"""Columns rounded before later ones are updated; divides all block sizes."""


def factor(covariance: np.ndarray) -> np.ndarray | None:
    """Upper U of the inverse UᵀU of a damped covariance, float32 of shape (columns, columns); None
    where all inputs are zero."""
    columns = len(covariance)
    damped = covariance.astype(np.float64)
    mean = float(np.trace(damped)) / columns
    if mean <= 0:
        return None
    damped[np.diag_indices(columns)] += DAMPING * mean
    return np.ascontiguousarray(np.linalg.cholesky(np.linalg.inv(damped)).T, dtype=np.float32)


def quantize(
    chunk: Callable[..., int], values: np.ndarray, type_: str, upper: np.ndarray
) -> np.ndarray:
    """Rows of weights as blocks: uint8 of shape (rows, bytes of a row).

    `chunk` is llama.cpp's ggml_quantize_chunk, `upper` comes from `factor`.
    """
    left = values.astype(np.float32)
    block = TYPES[type_].block
    costs = 1 / np.square(np.diag(upper))
    packed = []
    for start in range(0, values.shape[1], block):
        own = slice(start, start + block)
        scaled = blocks.quantize(chunk, left[:, own], type_, costs[own])
        levels = blocks.Levels.of(scaled, type_)
        codes = [
            _round(left, upper, levels, start, first) for first in range(start, start + block, STEP)
        ]
        packed.append(blocks.with_codes(scaled, type_, np.concatenate(codes, axis=1)))
    return np.concatenate(packed, axis=1)


def _round(
    left: np.ndarray, upper: np.ndarray, levels: blocks.Levels, start: int, first: int
) -> np.ndarray:
    """Codes of STEP columns from `first` on, of shape (rows, STEP); changes the later columns."""
    end = first + STEP
    columns = np.ascontiguousarray(left[:, first:end].T)
    codes, errors = np.empty(columns.shape, dtype=np.uint8), np.empty_like(columns)
    for number, column in enumerate(range(first, end)):
        codes[number], found = levels.nearest(columns[number], column - start)
        errors[number] = (columns[number] - found) / upper[column, column]
        columns[number + 1 :] -= np.outer(upper[column, column + 1 : end], errors[number])
    left[:, end:] -= errors.T @ upper[first:end, end:]
    return codes.T

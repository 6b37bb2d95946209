"""Rounds matrices to 8 bits so that later inputs make up for the errors of earlier ones (GPTQ).

The loudest inputs come first, while there are most left to make up for their errors. Those that a
paired grid limits together (grids.py) stay neighbours.
"""

from __future__ import annotations

import numpy as np

from edgekit.export.gptq import STEP, costs, factor, round_columns
from edgekit.export.onnx.grids import PAIR, quantize_rows


def compensated_rows(
    rows: np.ndarray, covariance: np.ndarray, *, limit: int, paired: bool
) -> tuple[np.ndarray, np.ndarray]:
    """As quantize_rows, for inputs with this covariance, (columns, columns)."""
    order = _order(np.diag(covariance))
    upper = factor(covariance[np.ix_(order, order)])
    if upper is None:  # nothing but zeros was seen
        return quantize_rows(rows, limit=limit, paired=paired)
    left = np.asarray(rows[:, order], np.float32)
    _, scales = quantize_rows(
        left, limit=limit, paired=paired, weighed=costs(upper).astype(np.float32)
    )
    left /= scales[:, None]
    integers = np.empty(rows.shape, np.int8)
    for first in range(0, len(order), STEP):
        nearest = _Nearest(limit, paired=paired)
        found = round_columns(left, upper, first, nearest)
        integers[:, order[first : first + STEP]] = found
    return integers, scales


def _order(variances: np.ndarray) -> np.ndarray:
    """Columns by falling variance, two by two; one without a neighbour is last."""
    pairs = len(variances) // 2
    loudness = variances[: 2 * pairs].reshape(pairs, 2).sum(axis=1)
    order = np.argsort(-loudness, kind="stable")
    both = np.stack([2 * order, 2 * order + 1], axis=1).reshape(-1)
    return np.concatenate([both, np.arange(2 * pairs, len(variances))])


class _Nearest:
    """The nearest integers, of which the second of two takes what the first leaves of PAIR."""

    def __init__(self, limit: int, *, paired: bool) -> None:
        self._limit, self._paired = limit, paired
        self._first = np.zeros(0, np.float32)

    def __call__(self, columns: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        limit = self._limit
        found = np.clip(np.rint(columns[number]), -limit, limit)
        if self._paired and number % 2:
            low = np.maximum(-limit, -PAIR - self._first)
            found = np.clip(found, low, np.minimum(limit, PAIR - self._first))
        elif self._paired and number + 1 < len(columns):
            # What both are too large together is taken from both.
            other = np.clip(np.rint(columns[number + 1]), -limit, limit)
            excess = np.maximum(np.abs(found + other) - PAIR, 0)
            found -= np.sign(found) * np.ceil(excess / 2)
            self._first = found
        return found.astype(np.int8), found

"""Softmax, sigmoid, their logarithms and the divergence of logits, in numpy. Knows no model."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities over the last axis, of the shape of the logits, computed in float64."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def log_softmax(logits: np.ndarray, *, dtype: DTypeLike | None = None) -> np.ndarray:
    """Log-probabilities over the last axis, in nats, of the shape of the logits.

    Computed in the logits' own dtype unless one is given.
    """
    values = np.asarray(logits, dtype=dtype)
    shifted = values - values.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def kl_divergence(
    wanted: np.ndarray, found: np.ndarray, *, dtype: DTypeLike | None = None
) -> np.ndarray:
    """KL(wanted ‖ found) of each row, in nats, of shape (rows,).

    Both are logits of shape (rows, classes); computed as `log_softmax` is.
    """
    rows = (
        (log_softmax(mine, dtype=dtype), log_softmax(theirs, dtype=dtype))
        for mine, theirs in zip(wanted, found, strict=True)
    )
    # One row at a time: a row of a large vocabulary takes megabytes.
    return np.array([(np.exp(mine) * (mine - theirs)).sum() for mine, theirs in rows])


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Of the shape of the logits, computed in float64 without overflow."""
    return np.exp(log_sigmoid(logits))


def log_sigmoid(logits: np.ndarray) -> np.ndarray:
    """Logarithms of `sigmoid`, computed in float64."""
    return -np.logaddexp(0.0, -np.asarray(logits, dtype=np.float64))

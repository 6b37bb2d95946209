"""The threshold of each label where a text may have several: found on rows, or a half."""

from __future__ import annotations

import numpy as np

from edgekit.runtime.numerics import sigmoid
from edgekit.runtime.scoring import THRESHOLD, LabelSet

FEWEST = 5
"""Validation rows that must carry a label: a threshold found on fewer would be theirs alone."""
DIGITS = 6


def fit(logits: np.ndarray, truth: np.ndarray) -> LabelSet:
    """For each label the threshold with the highest F1 on these rows; a half where none is better.

    `logits` and the bool `truth` have the shape (rows, labels).
    """
    columns = zip(sigmoid(logits).T, truth.T, strict=True)
    return LabelSet(tuple(_fit_one(scores, carried) for scores, carried in columns))


def _fit_one(scores: np.ndarray, carried: np.ndarray) -> float:
    if carried.sum() < FEWEST:
        return THRESHOLD
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(carried[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + carried.sum())
    # A threshold lies between two scores: equal ones are given the label together.
    below = np.append(ranked[1:], 0.0)
    middles = np.round((ranked + below) / 2, DIGITS)
    possible = (ranked > below) & (middles > below) & (middles <= ranked) & (middles > 0)
    if not possible.any() or f1[possible].max() <= _f1(scores >= THRESHOLD, carried):
        return THRESHOLD
    best = possible & (f1 == f1[possible].max())
    found = middles[best]
    return float(found[np.abs(found - THRESHOLD).argmin()])


def _f1(given: np.ndarray, carried: np.ndarray) -> float:
    return float(2 * (given & carried).sum() / max(1, given.sum() + carried.sum()))

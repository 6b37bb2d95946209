"""Chooses between quantized candidates by how near they stay to fp32. Runs no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# The slower scheme must be this much nearer to fp32: in standard deviations of the difference of
# changed answers, or in divergence.
DEVIATIONS = 2.0
DIVERGENCES = 2.0


def fastest_near(tried: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first candidate that is no further from fp32 than the nearest one, chance allowed for."""
    fewest, least = (min(one[key] for one in tried) for key in ("flips", "kl"))
    near = (
        one
        for one in tried
        if one["flips"] - fewest <= DEVIATIONS * math.sqrt(one["flips"] + fewest)
        and one["kl"] <= DIVERGENCES * least
    )
    return next(near, min(tried, key=lambda one: one["kl"]))


def divergence(wanted: np.ndarray, found: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence KL(wanted ‖ found) over rows of probabilities, in nats."""
    floor = 1e-12
    return float((wanted * np.log((wanted + floor) / (found + floor))).sum(axis=1).mean())

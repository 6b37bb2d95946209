"""How far a language model is from its parent, token by token on the same texts. Runs no model.

Means are over tokens. Their bounds come from a paired bootstrap: whole groups of documents are
resampled with replacement, for both models at once, and the 5th and 95th percentiles are the
one-sided 95 % bounds (Efron and Tibshirani 1993, chapter 13).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from edgekit.export.gguf.divergence import MEASURES, Measure, Tokenwise
from edgekit.judging.noninferiority import (
    CHUNK,
    ERROR_RATE,
    EXPECTED_DRAWS,
    POWER,
    RESAMPLES,
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """A mean and its one-sided 95 % bounds."""

    point: float
    low: float
    high: float
    groups: int

    def as_json(self) -> dict[str, float]:
        return {"low": self.low, "high": self.high}


def bounds(tokens: Tokenwise, groups: np.ndarray, *, seed: int = 0) -> Mapping[Measure, Bounds]:
    """The bounds of each measure; tokens with the same number in `groups` belong together."""
    sums = _sums(tokens, groups)
    points = _measured(sums.sum(axis=0))
    samples = _measured(_drawn(sums, RESAMPLES, seed))
    return {
        name: Bounds(
            point=float(points[name]),
            # No interpolation, as in judging/noninferiority.py.
            low=float(np.quantile(samples[name], ERROR_RATE, method="lower")),
            high=float(np.quantile(samples[name], 1 - ERROR_RATE, method="higher")),
            groups=len(sums),
        )
        for name in MEASURES
    }


def chance_of(
    tokens: Tokenwise, groups: np.ndarray, limit: float, *, seed: int = 0, least: float
) -> float:
    """The p-value of a divergence of `limit` or less; `least` as in judging/noninferiority.py."""
    sums = _sums(tokens, groups)
    for resamples in (RESAMPLES, math.ceil(EXPECTED_DRAWS / least)):
        drawn = _measured(_drawn(sums, resamples, seed))["kld"]
        chance = (1 + int((drawn <= limit).sum())) / (1 + len(drawn))
        if chance > ERROR_RATE or EXPECTED_DRAWS / least <= RESAMPLES:
            break
    return chance


def _sums(tokens: Tokenwise, groups: np.ndarray) -> np.ndarray:
    """What is summed over tokens, for each group."""
    _, group = np.unique(groups, return_inverse=True)
    values = [tokens.kld, tokens.same_top, tokens.nll - tokens.parent_nll, np.ones(len(group))]
    if tokens.compared is not None:
        values.append(tokens.compared)
    sums = np.stack([np.bincount(group, weights=one) for one in values], axis=1)
    # Sorted, so that the draws do not depend on the order of rows.
    return sums[np.lexsort(sums.T)]


def _drawn(sums: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    count, random = len(sums), np.random.default_rng(seed)
    return np.concatenate(
        [
            random.multinomial(count, np.full(count, 1 / count), size=CHUNK) @ sums
            for _ in range(math.ceil(resamples / CHUNK))
        ]
    )


def _measured(sums: np.ndarray) -> dict[Measure, np.ndarray]:
    kld, same, rise, tokens, *others = np.moveaxis(sums, -1, 0)
    # A draw of documents without anything to compare has sums of 0, too.
    compared = np.maximum(others[0], 1.0) if others else tokens
    return {"kld": kld / compared, "top1": same / compared, "ppl_ratio": np.exp(rise / tokens)}


def rows_needed(found: Bounds, limit: float, rows: int) -> int | None:
    """How many such rows it takes for 4 in 5 test sets to show it, if the mean stays as it is.

    None if the mean equals the limit.
    """
    # The deciding bound is the one on the limit's side.
    outer = found.high if limit > found.point else found.low
    distance = abs(limit - found.point)
    if not distance:
        return None
    normal = NormalDist()
    sure, power = normal.inv_cdf(1 - ERROR_RATE), normal.inv_cdf(POWER)
    spread = abs(outer - found.point) / sure
    return max(1, math.ceil(rows * ((sure + power) * spread / distance) ** 2))

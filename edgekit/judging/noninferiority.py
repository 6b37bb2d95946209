"""Whether one classifier is no worse than another on the same rows. Knows counts, no models.

The share of the teacher's metric that the artifact keeps is bounded by a paired bootstrap: whole
groups of rows are resampled with replacement, for both sides at once, and the 5th and 95th
percentiles of the share are its one-sided 95 % bounds (Efron and Tibshirani 1993, chapter 13).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from edgekit.runtime.scoring import as_sets, equal

Metric = Literal["macro_f1", "accuracy"]
RESAMPLES = 10_000
CHUNK = 250
ERROR_RATE = 0.05
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Paired:
    """Answers to the same rows, as runtime.scoring.Given: label indexes, or sets of labels."""

    truth: np.ndarray
    artifact: np.ndarray
    teacher: np.ndarray
    groups: np.ndarray
    """Rows with the same number belong together."""
    labels: int
    """How many labels there are."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The share of the teacher's metric that the artifact keeps, with one-sided 95 % bounds."""

    point: float
    low: float
    high: float
    groups: int


def kept_share(metric: Metric, paired: Paired, *, seed: int = 0) -> Kept:
    """Bounds by RESAMPLES draws; the order of rows and the numbers of groups do not matter."""
    if metric == "accuracy" and paired.truth.ndim == 2:
        paired = _exact(paired)
    counts = _counts_by_group(paired)
    # Groups with the same counts are equal: drawing kinds of groups gives the same, far cheaper.
    # `unique` sorts the kinds, which makes the draws independent of the order of rows.
    kinds, sizes = np.unique(counts, axis=0, return_counts=True)
    groups = int(sizes.sum())
    random = np.random.default_rng(seed)
    shares = []
    for _ in range(RESAMPLES // CHUNK):
        draws = random.multinomial(groups, sizes / groups, size=CHUNK).astype(np.float32)
        shares.append(_share(metric, (draws @ kinds).astype(np.float64)))
    drawn = np.concatenate(shares)
    return Kept(
        point=float(_share(metric, sizes @ kinds.astype(np.float64))),
        # No interpolation: the low bound is at least `keep` if and only if 95 % of the draws are.
        low=float(np.quantile(drawn, ERROR_RATE, method="lower")),
        high=float(np.quantile(drawn, 1 - ERROR_RATE, method="higher")),
        groups=groups,
    )


def kept_mean(
    artifact: np.ndarray, teacher: np.ndarray, groups: np.ndarray, *, seed: int = 0
) -> Kept:
    """`kept_share` for a metric that is a mean over rows, such as ROUGE; arrays are (rows,)."""
    _, group = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(group, weights=side) for side in (artifact, teacher)], axis=1)
    # Sorted, so that the draws do not depend on the order of rows.
    sums = sums[np.lexsort(sums.T)]
    count = len(sums)
    random = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            _ratio(random.multinomial(count, np.full(count, 1 / count), size=CHUNK) @ sums)
            for _ in range(RESAMPLES // CHUNK)
        ]
    )
    return Kept(
        point=float(_ratio(sums.sum(axis=0))),
        low=float(np.quantile(drawn, ERROR_RATE, method="lower")),
        high=float(np.quantile(drawn, 1 - ERROR_RATE, method="higher")),
        groups=count,
    )


def _ratio(sums: np.ndarray) -> np.ndarray:
    artifact, teacher = np.moveaxis(sums, -1, 0)
    return np.where(teacher > 0, artifact / np.where(teacher > 0, teacher, 1), 1.0)


def _counts_by_group(paired: Paired) -> np.ndarray:
    """For each group and label: right and given answers of both sides, and rows; float32."""
    _, group = np.unique(paired.groups, return_inverse=True)
    truth, artifact, teacher = (
        as_sets(side, paired.labels) for side in (paired.truth, paired.artifact, paired.teacher)
    )

    def count(where: np.ndarray) -> np.ndarray:
        row, label = np.nonzero(where)
        flat = np.bincount(
            group[row] * paired.labels + label, minlength=(int(group.max()) + 1) * paired.labels
        )
        return flat.reshape(-1, paired.labels)

    parts = [truth & artifact, artifact, truth & teacher, teacher, truth]
    return np.concatenate([count(part) for part in parts], axis=1).astype(np.float32)


def _exact(paired: Paired) -> Paired:
    """Of sets only whether all of a row is right: label 0 where it is, else 1."""
    right = np.zeros(len(paired.truth), dtype=np.int64)
    wrong = (~equal(side, paired.truth) for side in (paired.artifact, paired.teacher))
    artifact, teacher = (one.astype(np.int64) for one in wrong)
    return Paired(right, artifact, teacher, paired.groups, labels=2)


def _share(metric: Metric, sums: np.ndarray) -> np.ndarray:
    """Kept shares from summed counts of shape (…, 5 × labels)."""
    right, given, teacher_right, teacher_given, rows = np.split(sums, 5, axis=-1)
    measure = _METRICS[metric]
    artifact = measure(right, given, rows)
    teacher = measure(teacher_right, teacher_given, rows)
    # A teacher that is never right leaves nothing to lose.
    return np.where(teacher > 0, artifact / np.where(teacher > 0, teacher, 1), 1.0)


def _macro_f1(right: np.ndarray, given: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Over the labels that occur in the truth, which here is the drawn one."""
    occurs = rows > 0
    f1 = 2 * right / np.maximum(given + rows, 1)
    # Sets may all be empty.
    return np.where(occurs, f1, 0).sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1)


def _accuracy(right: np.ndarray, given: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return right.sum(axis=-1) / rows.sum(axis=-1)


_METRICS: dict[Metric, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "macro_f1": _macro_f1,
    "accuracy": _accuracy,
}


def groups_needed_without_a_flip(keep: float) -> float:
    """How many groups it takes to exclude a loss of 1 - keep if not one group shows any.

    A bootstrap cannot see a loss that its rows happen not to show, so fewer groups never PASS.
    Infinite if no loss at all is allowed.
    """
    return math.ceil(math.log(ERROR_RATE) / math.log(keep)) if 0 < keep < 1 else math.inf


def rows_needed(kept: Kept, keep: float, rows: int) -> int | None:
    """How many such rows it takes for 4 in 5 test sets to PASS, if the share stays as it is.

    None if the share itself is too low: then more rows would only make that more certain.
    """
    groups = groups_needed_without_a_flip(keep)
    if kept.point <= keep or math.isinf(groups):
        return None
    normal = NormalDist()
    sure, power = normal.inv_cdf(1 - ERROR_RATE), normal.inv_cdf(POWER)
    spread = (kept.point - kept.low) / sure
    by_bound = rows * ((sure + power) * spread / (kept.point - keep)) ** 2
    return math.ceil(max(by_bound, rows * groups / kept.groups))

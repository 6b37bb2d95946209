"""Whether one model is no worse than another on the same rows. Knows counts, no models.

The share of the teacher's metric that the artifact keeps is bounded by a paired bootstrap: whole
groups of rows are resampled with replacement, for both sides at once, and percentiles of the share
are its one-sided 95 % bounds (Efron and Tibshirani 1993, chapter 13).

A bootstrap draws only what was seen. Where few groups lose anything, the 5th percentile lies too
high: it passes one artifact in six that loses just too much. The lower bound is therefore drawn
with one group more that loses, as the exact bounds of a count are (Clopper and Pearson 1934: with k
losses seen, the bound is where the distribution of k + 1 has it). With none seen, that is the rule
of three. Which group that is, is drawn, too: of those that were seen to lose, or of all, whichever
costs more, because the next loss may be in a rarer label. The upper bound, which decides FAIL,
needs none of it. tests/judging/chances.py measures how often both err.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Literal

import numpy as np

from edgekit.runtime.scoring import as_sets, equal

Metric = Literal["macro_f1", "accuracy"]
RESAMPLES = 10_000
CHUNK = 250
ERROR_RATE = 0.05
POWER = 0.8
EXPECTED_DRAWS = 50
"""A p-value is compared with nothing that fewer draws than these would reach."""


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

    def part(self, places: np.ndarray) -> Paired:
        return Paired(
            self.truth[places],
            self.artifact[places],
            self.teacher[places],
            self.groups[places],
            self.labels,
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """Groups of rows in a form that can be drawn. Equal groups are one kind: drawing kinds gives
    the same, far cheaper."""

    kinds: np.ndarray
    """What is summed over groups, for each kind; (kinds, figures), float32 or float64."""
    sizes: np.ndarray
    """How many groups there are of each kind."""
    losses: np.ndarray
    """Kinds of groups that lose, of which one group more is drawn."""
    odds: np.ndarray
    """How likely each of them is."""
    share: Callable[[np.ndarray], np.ndarray]
    """Kept shares from sums of shape (…, figures)."""

    @property
    def groups(self) -> int:
        return int(self.sizes.sum())


@dataclass(frozen=True, slots=True)
class Kept:
    """The share of the teacher's metric that the artifact keeps, with one-sided 95 % bounds."""

    point: float
    low: float
    high: float
    groups: int
    spread: float | None = None
    """The standard deviation of the share; None if only the bounds are known."""
    loss: float = 0.0
    """The share that one group more that loses would take."""
    chance: float = 1.0
    """The p-value of keeping what is asked or more: small where a loss of more is shown."""


def kept_share(metric: Metric, paired: Paired, *, seed: int = 0) -> Kept:
    """Bounds by RESAMPLES draws; the order of rows and the numbers of groups do not matter."""
    return kept(answers(metric, paired), seed=seed)


def kept_mean(
    artifact: np.ndarray,
    teacher: np.ndarray,
    groups: np.ndarray,
    *,
    keep: float | None = None,
    seed: int = 0,
) -> Kept:
    """`kept_share` for a metric that is a mean over rows, such as ROUGE; arrays are (rows,)."""
    return kept(means(artifact, teacher, groups), keep=keep, seed=seed)


def answers(metric: Metric, paired: Paired) -> Sample:
    """What is drawn of a classifier's answers."""
    if metric == "accuracy" and paired.truth.ndim == 2:
        paired = _exact(paired)
    counts = _counts_by_group(paired)
    # `unique` sorts the kinds, which makes the draws independent of the order of rows.
    kinds, sizes = np.unique(counts, axis=0, return_counts=True)
    return of_counts(metric, kinds, sizes)


def of_counts(metric: Metric, kinds: np.ndarray, sizes: np.ndarray) -> Sample:
    """A sample of so many groups of each kind, (kinds, 5 × labels) as `_share` sums them."""
    share = partial(_share, metric)
    right, given, teacher_right, teacher_given, rows = np.split(kinds, 5, axis=1)
    gone = teacher_right.sum(axis=1) - right.sum(axis=1)
    lossy, losable = gone > 0, teacher_right.sum(axis=1) > 0
    if not losable.any():
        return Sample(kinds, sizes, kinds, sizes / sizes.sum(), share)
    # Any group may be the next to lose, and loses as large a part as those do that were seen to.
    before = sizes @ (teacher_right.sum(axis=1) * (lossy if lossy.any() else losable))
    part = sizes @ np.maximum(gone, 0) / before if lossy.any() else 1.0
    left = teacher_right * (1 - part)
    parts = [left, np.maximum(given, left), teacher_right, teacher_given, rows]
    any_one = np.concatenate(parts, axis=1)[losable], sizes[losable] / sizes[losable].sum()
    seen = (kinds[lossy], sizes[lossy] / sizes[lossy].sum()) if lossy.any() else any_one
    # Those that were seen may be in common labels, where they cost little, or in rare ones.
    sums = sizes @ kinds.astype(np.float64)
    losses, odds = min((any_one, seen), key=lambda one: float(share(sums + one[1] @ one[0])))
    return Sample(kinds, sizes, losses, odds, share)


def means(artifact: np.ndarray, teacher: np.ndarray, groups: np.ndarray) -> Sample:
    """What is drawn where the metric is a mean over rows."""
    _, group = np.unique(groups, return_inverse=True)
    sums = np.stack([np.bincount(group, weights=side) for side in (artifact, teacher)], axis=1)
    # Sorted, so that the draws do not depend on the order of rows.
    kinds, sizes = np.unique(sums, axis=0, return_counts=True)
    lossy = kinds[:, 0] < kinds[:, 1]
    if lossy.any():
        return Sample(kinds, sizes, kinds[lossy], sizes[lossy] / sizes[lossy].sum(), _ratio)
    return Sample(kinds, sizes, kinds * [0, 1], sizes / sizes.sum(), _ratio)


def kept(
    sample: Sample, *, keep: float | None = None, seed: int = 0, least: float = ERROR_RATE
) -> Kept:
    """The bounds, and if `keep` is asked, how likely as much is kept.

    `least` is the smallest level with which that p-value will be compared: if it may be as small,
    it is drawn again, so often that EXPECTED_DRAWS are expected to be below that level.
    """
    plain, with_loss = _drawn(sample, RESAMPLES, seed)
    chance = 1.0 if keep is None else chance_of(plain, keep)
    enough = math.ceil(EXPECTED_DRAWS / least)
    if keep is not None and chance <= ERROR_RATE and enough > RESAMPLES:
        chance = chance_of(_drawn(sample, enough, seed)[0], keep)
    return bounded(sample, plain, with_loss, chance=chance)


def bounded(
    sample: Sample, plain: np.ndarray, with_loss: np.ndarray, *, chance: float = 1.0
) -> Kept:
    """What the drawn shares, without and with one group more that loses, say of the true one."""
    sums = sample.sizes @ sample.kinds.astype(np.float64)
    point = float(sample.share(sums))
    return Kept(
        point=point,
        # No interpolation: the low bound is at least `keep` if and only if 95 % of the draws are.
        low=float(np.quantile(with_loss, ERROR_RATE, method="lower")),
        high=float(np.quantile(plain, 1 - ERROR_RATE, method="higher")),
        groups=sample.groups,
        spread=float(plain.std()),
        loss=point - float(sample.share(sums + sample.odds @ sample.losses)),
        chance=chance,
    )


def chance_of(shares: np.ndarray, keep: float) -> float:
    """The p-value of keeping `keep` or more, from drawn shares."""
    # Of the data and the draws together, as many keep that much (Davison and Hinkley 1997, 4.2).
    return (1 + int((shares >= keep).sum())) / (1 + len(shares))


def _drawn(sample: Sample, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shares of so many draws of all groups, and of the same with one group more that loses."""
    random, groups = np.random.default_rng(seed), sample.groups
    odds = sample.sizes / groups
    chunks = [
        shares_of(sample, random.multinomial(groups, odds, size=CHUNK), random)
        for _ in range(math.ceil(resamples / CHUNK))
    ]
    plain, with_loss = zip(*chunks, strict=True)
    return np.concatenate(plain), np.concatenate(with_loss)


def shares_of(
    sample: Sample, draws: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of `draws`, which count the groups of each kind (draws, kinds), and the same with one
    group more that loses."""
    sums = (draws.astype(sample.kinds.dtype) @ sample.kinds).astype(np.float64)
    one_more = sample.groups + 1
    losses = random.binomial(one_more, 1 / one_more, size=len(draws))
    with_loss = sums.copy()
    for number in range(losses.max()):
        more = np.flatnonzero(losses > number)
        with_loss[more] += sample.losses[random.choice(len(sample.odds), len(more), p=sample.odds)]
    return sample.share(sums), sample.share(with_loss)


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
    margin = kept.point - keep
    if margin <= 0 or math.isinf(groups):
        return None
    normal = NormalDist()
    sure, power = normal.inv_cdf(1 - ERROR_RATE), normal.inv_cdf(POWER)
    spread = (kept.point - kept.low) / sure if kept.spread is None else kept.spread
    # With n times the rows, the bound lies lower than the share by wide / √n + loss / n. What the
    # spread does not explain of its distance is of the groups that may lose unseen.
    wide, loss = (sure + power) * spread, max(kept.loss, kept.point - kept.low - sure * spread)
    root = (wide + math.sqrt(wide**2 + 4 * margin * loss)) / (2 * margin)
    return math.ceil(max(rows * root**2, rows * groups / kept.groups))

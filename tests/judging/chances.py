"""How often a verdict is wrong by chance: builds simulated by the thousand.

    python -m tests.judging.chances [--builds 1000] [--languages 1 8 20] [--rows 316 700 1500]

Each build has its test rows drawn anew from a population whose true loss is known: labels of very
different frequency, a teacher that is right in 85 of 100 rows, and an artifact that changes 1 to
4 % of the answers. In an *equal* one as many answers get better as worse. In one *at the threshold*
one language, or every one, has lost exactly what is no longer allowed: the hardest case, in which
every PASS is a false one and so is every FAIL. Prints a table for docs/measured.md.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgekit.judging import noninferiority
from edgekit.judging.noninferiority import (
    ERROR_RATE,
    Sample,
    groups_needed_without_a_flip,
    kept,
)
from edgekit.judging.parts import holm

MOST_LANGUAGES = 20
ACCURACY = 0.85
LABELS = 12
COMMON = 1 / np.arange(2, 2 + LABELS)
"""How frequent the labels are, as words are (Zipf): the commonest six times the rarest."""
KEEP = 0.95


@dataclass(frozen=True, slots=True)
class Population:
    """Kinds of rows: (truth, teacher, artifact), and how likely each is."""

    kinds: np.ndarray
    odds: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """What noninferiority sums for each kind."""
        truth, teacher, artifact = np.eye(LABELS, dtype=np.float32)[self.kinds.T]
        return np.concatenate([truth * artifact, artifact, truth * teacher, teacher, truth], axis=1)

    @property
    def share(self) -> float:
        """What is truly kept."""
        return float(noninferiority._share("macro_f1", self.odds @ self.counts.astype(float)))

    def drawn(self, rows: int, random: np.random.Generator) -> Sample:
        """A test set of so many rows, each a group of its own."""
        sizes = random.multinomial(rows, self.odds)
        seen, counts = sizes > 0, self.counts
        right, before = (counts[:, at : at + LABELS].sum(axis=1) for at in (0, 2 * LABELS))
        lossy = seen & (right < before)
        loss = np.average(counts, axis=0, weights=np.where(lossy, sizes, 0) if lossy.any()
                          else sizes)  # fmt: skip
        if not lossy.any():
            loss[:LABELS] = 0
        share = partial(noninferiority._share, "macro_f1")
        return Sample(counts[seen], sizes[seen], loss, share)


def population(flips: float, worse: float = 0.0) -> Population:
    """`flips` of the answers differ, as many better as worse; `worse` more are lost."""
    lost, gained, other = 0.45 * flips + worse, 0.45 * flips, 0.1 * flips
    frequent = COMMON / COMMON.sum()
    kinds, odds = [], []
    for label, common in enumerate(frequent):
        first, second = (label + 1) % LABELS, (label + 5) % LABELS
        for wrong in (first, second):
            kinds += [(label, label, wrong), (label, wrong, label), (label, wrong, wrong)]
            odds += [common * part / 2 for part in (lost, gained, 1 - ACCURACY - gained - other)]
        kinds += [(label, label, label), (label, first, second)]
        odds += [common * (ACCURACY - lost), common * other]
    return Population(np.array(kinds), np.array(odds) / sum(odds))


def lossy_population(flips: float, keep: float) -> Population:
    """That which truly keeps `keep`, found by bisection."""
    low, high = 0.0, ACCURACY - flips
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if population(flips, middle).share > keep else (low, middle)
    return population(flips, high)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a language's test set said, once for each of many test sets."""

    passes: np.ndarray
    chances: np.ndarray
    points: np.ndarray


def outcomes(of: Population, rows: int, *, count: int, seed: int = 7) -> Outcomes:
    random = np.random.default_rng(seed)
    found = [
        kept(of.drawn(rows, random), keep=KEEP, seed=number, least=ERROR_RATE / MOST_LANGUAGES)
        for number in range(count)
    ]
    enough = rows >= groups_needed_without_a_flip(KEEP)
    return Outcomes(
        np.array([enough and one.low >= KEEP for one in found]),
        np.array([one.chance for one in found]),
        np.array([one.point for one in found]),
    )


@dataclass(frozen=True, slots=True)
class Counted:
    """Shares of builds."""

    passed: float
    failed: float
    failed_by_point: float
    """What a comparison of the worst language's point would call FAIL."""


def build(of: Sequence[Outcomes], *, builds: int, seed: int = 7) -> Counted:
    """Builds with a language for each of `of`, whose outcomes are drawn from those."""
    random = np.random.default_rng(seed)
    drawn = [random.integers(0, len(one.passes), builds) for one in of]
    passes = np.stack([one.passes[at] for one, at in zip(of, drawn, strict=True)])
    chances = np.stack([one.chances[at] for one, at in zip(of, drawn, strict=True)])
    points = np.stack([one.points[at] for one, at in zip(of, drawn, strict=True)])
    failed = [bool(holm({str(n): p for n, p in enumerate(column)})) for column in chances.T]
    return Counted(
        float((passes.all(axis=0) & ~np.array(failed)).mean()),
        float(np.mean(failed)),
        float((points.min(axis=0) < KEEP).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="How often a verdict is wrong by chance.")
    parser.add_argument("--builds", type=int, default=1000)
    parser.add_argument("--languages", type=int, nargs="+", default=[1, 8, 20])
    parser.add_argument("--rows", type=int, nargs="+", default=[316, 700, 1500])
    parser.add_argument("--flips", type=float, nargs="+", default=[0.01, 0.02, 0.04])
    parser.add_argument("--resamples", type=int, default=1000, help="a build draws 10,000")
    given = parser.parse_args()
    noninferiority.RESAMPLES = given.resamples
    print(f"The threshold is {KEEP:.0%}; {given.builds:,} builds in each row.\n", flush=True)
    print("| rows of each language | flips | artifact | languages | PASS | FAIL | by point FAIL |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for rows, flips in itertools.product(given.rows, given.flips):
        equal, bar, below = (
            outcomes(of, rows, count=given.builds)
            for of in (
                population(flips),
                lossy_population(flips, KEEP),
                lossy_population(flips, 1 - 2 * (1 - KEEP)),
            )
        )
        for count in given.languages:
            cases = {
                "equal": [equal] * count,
                "one language at the threshold": [bar, *[equal] * (count - 1)],
                "all at the threshold": [bar] * count,
                "one language loses twice as much": [below, *[equal] * (count - 1)],
            }
            for case, of in cases.items():
                if count == 1 and case.startswith("all"):
                    continue
                found = build(of, builds=given.builds)
                print(
                    f"| {rows:,} | {flips:.0%} | {case} | {count} | {found.passed:.1%} | "
                    f"{found.failed:.1%} | {found.failed_by_point:.1%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()

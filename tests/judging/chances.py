"""How often a verdict is wrong by chance: builds simulated by the thousand.

    python -m tests.judging.chances [--builds 2000] [--languages 1 8 20] [--rows 300 700]

Each build has its test rows drawn anew from a population whose true loss is known: labels of very
different frequency, a teacher that is right in 85 of 100 rows, and an artifact that changes 1 to
4 % of the answers. In an *equal* one as many answers get better as worse. In one *at the threshold*
one language, or every one, has lost exactly what is no longer allowed: the hardest case, in which
every PASS is a false one and so is every FAIL. Prints a table for docs/measured.md.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgekit.judging import noninferiority
from edgekit.judging.noninferiority import (
    ERROR_RATE,
    EXPECTED_DRAWS,
    Kept,
    Sample,
    bounded,
    chance_of,
    groups_needed_without_a_flip,
    of_counts,
    shares_of,
)
from edgekit.judging.parts import holm
from edgekit.judging.verdict import Must

MOST_LANGUAGES = 20
ACCURACY = 0.85
LABELS = 12
COMMON = 1 / np.arange(2, 2 + LABELS)
"""How frequent the labels are, as words are (Zipf): the commonest six times the rarest."""
KEEP = 0.95
BLOCK = 500
"""So many test sets share the draws of rows."""


@dataclass(frozen=True)
class Population:
    """Kinds of rows: (truth, teacher, artifact), and how likely each is."""

    kinds: np.ndarray
    odds: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """What noninferiority sums for each kind."""
        truth, teacher, artifact = np.eye(LABELS, dtype=np.float32)[self.kinds.T]
        return np.concatenate([truth * artifact, artifact, truth * teacher, teacher, truth], axis=1)

    @property
    def share(self) -> float:
        """What is truly kept."""
        # As counts of very many rows: the metric takes a label with less than one for absent.
        many = 1e9 * self.odds @ self.counts.astype(float)
        return float(noninferiority._share("macro_f1", many))

    def sample(self, sizes: np.ndarray) -> Sample:
        """A test set with so many rows of each kind, each a group of its own."""
        seen = sizes > 0
        return of_counts("macro_f1", self.counts[seen], sizes[seen])


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


class Draws:
    """Bootstrap draws of numbered rows. The rows of a test set are numbered by their kinds, so that
    what a draw has of a kind is a difference of two of its cumulative counts: test sets of the same
    size can share the draws, each of which is as it would be had it been drawn for one alone."""

    def __init__(self, rows: int, resamples: int, random: np.random.Generator) -> None:
        places = random.integers(0, rows, (rows, resamples), dtype=np.int32)
        places *= resamples
        places += np.arange(resamples, dtype=np.int32)
        counts = np.bincount(places.ravel(), minlength=rows * resamples).astype(np.uint16)
        self._until = np.zeros((rows + 1, resamples), dtype=np.uint16)
        counts.reshape(rows, resamples).cumsum(axis=0, dtype=np.uint16, out=self._until[1:])

    def of(self, sizes: np.ndarray) -> np.ndarray:
        """How many groups of each kind: (resamples, kinds)."""
        ends = np.concatenate([[0], np.cumsum(sizes)])
        return np.diff(self._until[ends].astype(np.float32), axis=0).T


def judged(
    of: Population, tested: np.ndarray, keep: float, *, resamples: int, least: float, seed: int
) -> Iterator[Kept]:
    """What noninferiority.kept says of each test set (sets, kinds), with shared draws."""
    rows = int(tested[0].sum())
    for start in range(0, len(tested), BLOCK):
        random = np.random.default_rng([seed, start])
        draws, more = Draws(rows, resamples, random), None
        for sizes in tested[start : start + BLOCK]:
            sample = of.sample(sizes)
            plain, with_loss = shares_of(sample, draws.of(sample.sizes), random)
            chance = chance_of(plain, keep)
            if chance <= ERROR_RATE and EXPECTED_DRAWS / least > resamples:
                more = more or Draws(rows, round(EXPECTED_DRAWS / least), random)
                plain_more, _ = shares_of(sample, more.of(sample.sizes), random)
                chance = chance_of(plain_more, keep)
            yield bounded(sample, plain, with_loss, chance=chance)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a language's test set said, once for each of many test sets."""

    of: Population
    tested: np.ndarray
    passes: np.ndarray
    chances: np.ndarray
    points: np.ndarray


def outcomes(
    of: Population,
    rows: int,
    *,
    count: int,
    keep: float = KEEP,
    resamples: int = 1000,
    seed: int = 7,
) -> Outcomes:
    tested = np.random.default_rng(seed).multinomial(rows, of.odds, size=count)
    least = ERROR_RATE / MOST_LANGUAGES
    found = list(judged(of, tested, keep, resamples=resamples, least=least, seed=seed))
    enough = rows >= groups_needed_without_a_flip(keep)
    return Outcomes(
        of,
        tested,
        np.array([enough and one.low >= keep for one in found]),
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


def build(
    of: Sequence[Outcomes], *, builds: int, keep: float = KEEP, whole: bool = False, seed: int = 7
) -> Counted:
    """Builds with a language for each of `of`, whose outcomes are drawn from those.

    `whole`: all rows together must keep as much as well; all languages are of one population then.
    """
    random = np.random.default_rng(seed)
    drawn = [random.integers(0, len(one.passes), builds) for one in of]
    passes, chances, points = (
        np.stack([getattr(one, name)[at] for one, at in zip(of, drawn, strict=True)])
        for name in ("passes", "chances", "points")
    )
    passed = passes.all(axis=0)
    level, failed = (
        Must(keep=keep, worst_language=keep if whole else None).level,
        np.zeros(builds, dtype=bool),
    )
    if whole:
        tested = sum(one.tested[at] for one, at in zip(of, drawn, strict=True))
        assert isinstance(tested, np.ndarray)
        told = list(judged(of[0].of, tested, keep, resamples=1000, least=1.0, seed=seed))
        passed &= np.array([one.low >= keep for one in told])
        failed |= np.array([one.chance <= level for one in told])
    named = [{str(n): p for n, p in enumerate(column)} for column in chances.T]
    failed |= np.array([bool(holm(one, level=level)) for one in named])
    return Counted(
        float((passed & ~failed).mean()),
        float(failed.mean()),
        float((points.min(axis=0) < keep).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="How often a verdict is wrong by chance.")
    parser.add_argument("--builds", type=int, default=2000)
    parser.add_argument("--languages", type=int, nargs="+", default=[1, 8, 20])
    parser.add_argument("--rows", type=int, nargs="+", default=[300, 700])
    parser.add_argument("--flips", type=float, nargs="+", default=[0.01, 0.02, 0.04])
    parser.add_argument("--keep", type=float, nargs="+", default=[0.95, 0.98])
    parser.add_argument("--resamples", type=int, default=1000, help="a build draws 10,000")
    given = parser.parse_args()
    started = time.monotonic()
    print("| keep | rows of each | flips | languages | artifact | PASS | FAIL | INCONCLUSIVE |"
          " by point FAIL |")  # fmt: skip
    print("| --- " * 9 + "|", flush=True)
    for keep, rows, flips in itertools.product(given.keep, given.rows, given.flips):
        equal, bar = (
            outcomes(of, rows, count=count, keep=keep, resamples=given.resamples)
            for of, count in (
                (population(flips), given.builds // 2),
                (lossy_population(flips, keep), given.builds),
            )
        )
        for count in given.languages:
            cases = {
                "equal": ([equal] * count, False),
                "one language at the threshold": ([bar, *[equal] * (count - 1)], False),
                "all at the threshold": ([bar] * count, False),
                "all and the whole at the threshold": ([bar] * count, True),
            }
            for case, (of, whole) in cases.items():
                if count == 1 and case.startswith("all"):
                    continue
                builds = 1000 if whole else given.builds
                found = build(of, builds=builds, keep=keep, whole=whole)
                unsure = 1 - found.passed - found.failed
                print(
                    f"| {keep:.0%} | {rows:,} | {flips:.0%} | {count} | {case} | "
                    f"{found.passed:.1%} | {found.failed:.1%} | {unsure:.1%} | "
                    f"{found.failed_by_point:.1%} |",
                    flush=True,
                )
    print(f"\n{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()

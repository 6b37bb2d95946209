"""A verdict is wrong by chance in one build of twenty at most, whatever the number of languages."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.judging import noninferiority
from edgekit.judging.noninferiority import answers, kept
from edgekit.judging.parts import Drawable, holm, judge
from tests.judging.chances import (
    KEEP,
    build,
    lossy_population,
    outcomes,
    population,
)
from tests.judging.test_noninferiority import simulated


def wrong_by_chance(rows: int, flips: float, count: int, most: float) -> None:
    """Of the builds of 8 and 20 languages, so many at most are called what they are not."""
    equal = outcomes(population(flips), rows, count=count)
    bar = outcomes(lossy_population(flips, KEEP), rows, count=count)
    assert bar.passes.mean() <= most
    for languages in (1, 8, 20):
        lost = build([bar, *[equal] * (languages - 1)], builds=2000)
        assert lost.passed <= most
        assert lost.failed <= most
        assert build([bar] * languages, builds=2000).failed <= most
        assert build([equal] * languages, builds=2000).failed <= 0.01


def test_a_verdict_is_rarely_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noninferiority, "RESAMPLES", 500)
    # Of 150 test sets, 5 % with four standard errors are 12 %.
    wrong_by_chance(316, 0.01, count=150, most=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [316, 700, 1500])
@pytest.mark.parametrize("flips", [0.01, 0.02, 0.04])
def test_a_verdict_is_wrong_in_one_build_of_twenty(rows: int, flips: float) -> None:
    # Two standard errors of 5 % at 2,000 test sets are one point.
    wrong_by_chance(rows, flips, count=2000, most=0.06)


def test_the_worst_of_many_equal_languages_lies_below_by_chance_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(noninferiority, "RESAMPLES", 500)
    equal = outcomes(population(0.1), 150, count=100)
    found = build([equal] * 20, builds=500)
    assert found.failed_by_point > 0.2
    assert found.failed == 0


def test_holm_rejects_step_by_step() -> None:
    chances = {"a": 0.001, "b": 0.012, "c": 0.03, "d": 0.04}
    # 0.05 / 4, 0.05 / 3, 0.05 / 2: the third does not hold, and so nor does the fourth.
    assert holm(chances) == {"a", "b"}
    assert holm({"a": 0.04}) == {"a"}
    assert holm({}) == frozenset()


def test_a_hundred_languages_can_be_told_apart() -> None:
    """One that lost a fifth is found among a hundred, with draws enough for 0.05 / 100."""
    sound = Drawable(answers("accuracy", simulated(1, 120, 1, worse=0.0)), 120)
    lossy = Drawable(answers("accuracy", simulated(2, 300, 1, worse=0.6)), 300)
    chance = kept(lossy.sample, keep=0.9, least=0.05 / 100).chance
    assert 0 < chance < 0.05 / 100
    parts = {f"{n:03}": sound for n in range(4)} | {"bad": lossy}
    found = judge(parts, 0.9)
    assert {name for name, part in found.items() if part.verdict == "FAIL"} == {"bad"}


def test_a_language_without_a_flip_needs_the_rows_that_exclude_the_loss() -> None:
    many = np.arange(120) % 2
    whole = noninferiority.Paired(many, many, many, np.arange(120), 2)
    assert judge({"en": Drawable(answers("macro_f1", whole), 120)}, 0.97)["en"].verdict == "PASS"
    short = judge({"en": Drawable(answers("macro_f1", whole), 120)}, 0.98)["en"]
    assert (short.verdict, short.rows_needed) == ("INCONCLUSIVE", 149)
    sure = judge({"en": Drawable(answers("macro_f1", whole), 120)}, 0.98, same=True)["en"]
    assert sure.verdict == "PASS"

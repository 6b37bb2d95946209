"""A verdict is wrong by chance in one build of twenty at most, whatever the number of languages."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.judging import noninferiority
from edgekit.judging.noninferiority import ERROR_RATE, Kept, Paired, answers, kept
from edgekit.judging.parts import Drawable, holm, judge
from edgekit.judging.verdict import Must
from tests.judging.chances import (
    KEEP,
    build,
    lossy_population,
    outcomes,
    population,
)
from tests.judging.test_noninferiority import simulated


def wrong_by_chance(
    rows: int, flips: float, *, keep: float = KEEP, count: int, errors: float, whole: int = 0
) -> None:
    """In 5 % of builds at most, but for so many standard errors of the simulation.

    That of languages judged together is larger: they FAIL by p-values far out in the tail. `whole`:
    in so many builds all rows together are judged as well.
    """
    equal = outcomes(population(flips), rows, keep=keep, count=count)
    bar = outcomes(lossy_population(flips, keep), rows, keep=keep, count=count)

    def most(languages: int) -> float:
        return ERROR_RATE + errors * math.sqrt(ERROR_RATE * languages / count)

    assert bar.passes.mean() <= most(1)
    for languages in (1, 8, 20):
        lost = build([bar, *[equal] * (languages - 1)], builds=2000, keep=keep)
        assert lost.passed <= most(1)
        assert lost.failed <= most(1)
        assert build([bar] * languages, builds=2000, keep=keep).failed <= most(languages)
        assert build([equal] * languages, builds=2000, keep=keep).failed <= 0.01
        if whole:
            both = build([bar] * languages, builds=whole, keep=keep, whole=True)
            assert both.failed <= most(languages)


def test_a_verdict_is_rarely_wrong() -> None:
    wrong_by_chance(316, 0.01, count=150, errors=4)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.95, 0.98])
@pytest.mark.parametrize("rows", [316, 700])
@pytest.mark.parametrize("flips", [0.0, 0.01, 0.04])
def test_a_verdict_is_wrong_in_one_build_of_twenty(rows: int, flips: float, keep: float) -> None:
    # Some sixty rates are compared: beyond two errors there would be one by chance.
    wrong_by_chance(rows, flips, keep=keep, count=2000, errors=3, whole=500)


def test_losses_seen_in_a_common_label_do_not_hide_those_of_a_rare_one() -> None:
    """Two of 290 rows of common labels are lost, and none of the 10 of a rare one, which would cost
    the macro average fourteen times as much."""
    truth = np.repeat([0, 1, 2], [145, 145, 10])

    def found(lost: int) -> Kept:
        artifact = np.where(np.arange(300) < lost, 1, truth)
        return kept(answers("macro_f1", Paired(truth, artifact, truth, np.arange(300), 3)))

    # Were all losses like those seen, the bound for two would be six: P(7 or more of 3) < 5 %.
    assert found(2).low < found(7).point


def test_claims_share_the_level() -> None:
    assert (Must(keep=0.9).level, Must(worst_language=0.9).level) == (0.05, 0.05)
    assert Must(keep=0.9, worst_language=0.8).level == 0.025
    paired = simulated(2, 300, 1, worse=0.25)
    drawn = Drawable(answers("accuracy", paired), 300)
    keep = kept(drawn.sample).high + 1e-4
    assert judge({"en": drawn}, keep)["en"].verdict == "FAIL"
    assert judge({"en": drawn}, keep, level=0.025)["en"].verdict == "INCONCLUSIVE"


def test_the_worst_of_many_equal_languages_lies_below_by_chance_and_does_not_fail() -> None:
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

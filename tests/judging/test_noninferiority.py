"""The bounds mean what they say: they cover, they narrow, and they ignore what must not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from edgekit.judging import noninferiority
from edgekit.judging.noninferiority import (
    Kept,
    Paired,
    groups_needed_without_a_flip,
    kept_share,
    rows_needed,
)

LABELS = 5


def simulated(seed: int, groups: int, rows: int, worse: float) -> Paired:
    """Groups of one label and difficulty each; `worse` is the rate at which the artifact slips."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    truth = random.integers(0, LABELS, groups)[group]
    difficulty = random.beta(0.5, 4.5, groups)[group]
    wrong = (truth + random.integers(1, LABELS, len(truth))) % LABELS
    teacher = np.where(random.random(len(truth)) < difficulty, wrong, truth)
    slips = random.random(len(truth)) < worse * 10 * difficulty
    mends = random.random(len(truth)) < 0.1
    artifact = np.where(teacher == truth, np.where(slips, wrong, truth), teacher)
    artifact = np.where((teacher != truth) & mends, truth, artifact)
    return Paired(truth, artifact, teacher, group, LABELS)


def test_point_is_the_ratio_of_the_metrics() -> None:
    paired = simulated(3, 200, 2, worse=0.05)
    macro = [
        f1_score(paired.truth, answers, average="macro")
        for answers in (paired.artifact, paired.teacher)
    ]
    assert kept_share("macro_f1", paired).point == pytest.approx(macro[0] / macro[1])
    accuracy = [accuracy_score(paired.truth, a) for a in (paired.artifact, paired.teacher)]
    assert kept_share("accuracy", paired).point == pytest.approx(accuracy[0] / accuracy[1])


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_order_of_rows_and_names_of_groups_do_not_matter(seed: int) -> None:
    paired = simulated(seed, 60, 3, worse=0.1)
    order = np.random.default_rng(seed).permutation(len(paired.truth))
    moved = Paired(
        paired.truth[order], paired.artifact[order], paired.teacher[order],
        1000 - 7 * paired.groups[order], LABELS,
    )  # fmt: skip
    assert kept_share("macro_f1", moved) == kept_share("macro_f1", paired)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_equal_answers_keep_all_that_their_number_can_show(seed: int) -> None:
    paired = simulated(seed, 50, 2, worse=0.1)
    kept = kept_share("macro_f1", replace(paired, artifact=paired.teacher))
    assert (kept.point, kept.high) == (1, 1)
    # The rule of three: none of 50 leaves about 3 of 50 possible, which cost more of a rarer label.
    assert kept.low == pytest.approx(1 - 3 / 50, abs=0.015)


def test_more_groups_give_narrower_bounds() -> None:
    few, more = (kept_share("macro_f1", simulated(5, groups, 4, 0.05)) for groups in (100, 1600))
    assert few.high - few.low > 3 * (more.high - more.low)


def test_rows_of_one_group_are_not_taken_for_independent() -> None:
    paired = simulated(5, 150, 20, worse=0.08)
    grouped = kept_share("macro_f1", paired)
    alone = kept_share("macro_f1", replace(paired, groups=np.arange(len(paired.truth))))
    assert (grouped.groups, alone.groups) == (150, 3000)
    assert grouped.high - grouped.low > 1.3 * (alone.high - alone.low)


@pytest.mark.parametrize(("groups", "rows"), [(300, 1), (150, 8)])
def test_an_artifact_at_the_bar_passes_falsely_one_time_in_twenty(
    groups: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The bar is put where the whole population stands, so that every PASS is a false one.
    monkeypatch.setattr(noninferiority, "RESAMPLES", 1000)
    bar = kept_share("macro_f1", simulated(0, 100_000, rows, 0.05)).point
    trials = 400
    found = [kept_share("macro_f1", simulated(1 + t, groups, rows, 0.05)) for t in range(trials)]
    passes = sum(kept.low >= bar for kept in found) / trials
    fails = sum(kept.high < bar for kept in found) / trials
    # Four standard errors of 5 % at 400 trials are 4.4 points.
    assert 0.01 < passes < 0.094
    assert 0.01 < fails < 0.094


def test_a_loss_that_was_not_seen_needs_groups_to_be_excluded() -> None:
    # The rule of three: 0 of 299 leaves 1 % possible with a chance of 0.99 ** 299 < 5 %.
    assert groups_needed_without_a_flip(0.99) == 299
    assert groups_needed_without_a_flip(1.0) == float("inf")


def test_rows_needed_are_none_where_rows_would_not_help() -> None:
    kept = Kept(point=0.995, low=0.985, high=1.005, groups=1000)
    assert rows_needed(replace(kept, low=0.9949, groups=100), 0.99, rows=200) == 2 * 299
    assert rows_needed(kept, 0.995, rows=2000) is None
    assert rows_needed(kept, 0.999, rows=2000) is None


def test_three_percent_of_flips_take_the_rows_that_the_documents_name() -> None:
    # 3 % of answers differ, as often better as worse; the teacher is right in all the others.
    rows = 2000
    truth = np.arange(rows) % 2
    flips = np.arange(rows) % 100 < 3
    better = np.arange(rows) // 100 % 2 == 0
    teacher = np.where(flips & better, 1 - truth, truth)
    artifact = np.where(flips & ~better, 1 - truth, truth)
    kept = kept_share("accuracy", Paired(truth, artifact, teacher, np.arange(rows), 2))
    assert rows_needed(kept, 0.99, rows) == pytest.approx(2050, rel=0.1)

"""The least score of a sure answer, chosen on rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.tasks.classification import unsure


def drawn(seed: int, rows: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are right as often as they say."""
    random = np.random.default_rng(seed)
    scores = 1 - 0.6 * random.uniform(0, 1, rows) ** 2
    return scores, random.random(rows) < scores


def test_above_the_threshold_answers_are_wrong_half_as_often_and_no_lower_one_does_that() -> None:
    scores, right = drawn(1)
    least = unsure.threshold(scores, right)
    sure = scores >= least
    assert 0.4 < least < 1.0
    assert 1 - right[sure].mean() <= (1 - right.mean()) / 2
    lower = scores >= np.sort(scores[~sure])[-40]
    assert 1 - right[lower].mean() > (1 - right.mean()) / 2


@given(seed=st.integers(0, 50))
def test_what_was_chosen_on_some_rows_holds_on_others_nearly(seed: int) -> None:
    least = unsure.threshold(*drawn(seed))
    scores, right = drawn(seed + 1000)
    assert 1 - right[scores >= least].mean() <= 0.6 * (1 - right.mean())


@pytest.mark.parametrize(
    ("scores", "right"),
    [
        (np.linspace(0, 1, 100), np.arange(100) >= unsure.FEWEST_WRONG - 1),  # too few are wrong
        (np.full(100, 0.7), np.arange(100) % 2 == 0),  # all are as sure as each other
        (np.linspace(0, 1, 100), np.arange(100) < 50),  # the surer, the more often wrong
        (np.zeros(0), np.zeros(0, dtype=bool)),
    ],
)
def test_rows_that_tell_nothing_choose_nothing(scores: np.ndarray, right: np.ndarray) -> None:
    assert unsure.threshold(scores, right) == 0.0


def test_no_more_than_half_of_all_answers_are_in_doubt() -> None:
    scores = np.linspace(0, 1, 100)
    right = np.arange(100) >= 80
    assert unsure.threshold(scores, right) == 0.0
    assert unsure.threshold(scores, np.arange(100) >= 40) > 0.0

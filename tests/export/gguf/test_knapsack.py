"""The knapsack keeps its budget and finds what looking at every combination finds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.export.gguf import knapsack
from edgekit.export.gguf.knapsack import Option

OPTIONS = st.builds(
    Option, size_bytes=st.integers(1, 60), loss=st.floats(0, 100, allow_nan=False, width=32)
)
ITEMS = st.lists(st.lists(OPTIONS, min_size=1, max_size=4), min_size=1, max_size=5)


def totals(items: list[list[Option]], chosen: list[int]) -> tuple[int, float]:
    picked = [item[one] for item, one in zip(items, chosen, strict=True)]
    return sum(one.size_bytes for one in picked), sum(one.loss for one in picked)


@given(items=ITEMS, above_least=st.integers(0, 200))
def test_no_combination_that_fits_loses_less(items: list[list[Option]], above_least: int) -> None:
    budget = knapsack.least_bytes(items) + above_least
    size, loss = totals(items, knapsack.choose(items, budget))
    assert size <= budget
    combinations = itertools.product(*(range(len(item)) for item in items))
    possible = (totals(items, list(one)) for one in combinations)
    least = min(other for other_size, other in possible if other_size <= budget)
    assert loss == pytest.approx(least, abs=1e-6)


@given(items=ITEMS)
def test_the_least_budget_gives_the_smallest_options(items: list[list[Option]]) -> None:
    least = knapsack.least_bytes(items)
    assert totals(items, knapsack.choose(items, least))[0] == least


def test_a_budget_below_the_least_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^7 bytes are the least, and 6 are given$"):
        knapsack.choose([[Option(3, 1.0)], [Option(4, 1.0), Option(5, 0.5)]], 6)


@given(items=ITEMS, above_least=st.integers(0, 200))
def test_with_few_combinations_held_the_budget_is_still_kept(
    items: list[list[Option]], above_least: int
) -> None:
    budget = knapsack.least_bytes(items) + above_least
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knapsack, "MOST_STATES", 1)
        size, loss = totals(items, knapsack.choose(items, budget))
    smallest = [min(item, key=lambda one: (one.size_bytes, one.loss)) for item in items]
    assert size <= budget
    assert loss <= sum(one.loss for one in smallest) + 1e-6


def test_hundreds_of_tensors_are_chosen_for_at_once() -> None:
    items = [
        [Option(1000 * (bits + 1), (number % 7 + 1) * 2.0**-bits) for bits in range(6)]
        for number in range(300)
    ]
    chosen = knapsack.choose(items, 900_000)
    size, _ = totals(items, chosen)
    assert size == 900_000
    # Every exchange of one step up for one step down would lose more.
    up = max(items[n][c].loss - items[n][c + 1].loss for n, c in enumerate(chosen) if c + 1 < 6)
    down = min(items[n][c - 1].loss - items[n][c].loss for n, c in enumerate(chosen) if c)
    assert up <= down

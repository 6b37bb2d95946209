"""The search for what to remove: exact where it says so, and within what was asked for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import StepError
from edgekit.steps.prune.encoder import choice, search
from edgekit.steps.prune.encoder.choice import Rankings
from edgekit.steps.prune.encoder.latency import Shape, Table, measure
from edgekit.steps.prune.encoder.search import Depths, allocate, rank, rank_by_size

OPTIONS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), min_size=1, max_size=4)


@given(st.lists(OPTIONS, min_size=1, max_size=4), st.integers(0, 40))
def test_no_choice_within_the_budget_loses_less(
    layers: list[list[tuple[int, int]]], budget: int
) -> None:
    costs = [np.array([cost for cost, _ in layer]) for layer in layers]
    losses = [np.array([loss / 7 for _, loss in layer]) for layer in layers]
    possible = [
        sum(loss[k] for loss, k in zip(losses, picked, strict=True))
        for picked in itertools.product(*(range(len(layer)) for layer in layers))
        if sum(cost[k] for cost, k in zip(costs, picked, strict=True)) <= budget
    ]
    if not possible:
        with pytest.raises(ValueError, match="within the budget"):
            allocate(losses, costs, budget)
        return
    chosen = allocate(losses, costs, budget)
    assert sum(int(cost[k]) for cost, k in zip(costs, chosen, strict=True)) <= budget
    found = sum(loss[k] for loss, k in zip(losses, chosen, strict=True))
    assert found == pytest.approx(min(possible))


def test_what_nobody_feels_goes_first() -> None:
    signal = np.random.default_rng(0).normal(size=(50, 6))
    signal[:, [1, 4]] = 0
    ranking = rank(signal)
    assert set(ranking.order[:2]) == {1, 4}
    assert ranking.lost[2] == 0
    assert ranking.kept(4) == (0, 2, 3, 5)
    assert list(ranking.losses(np.array([6, 4]))) == [0, 0]


def test_units_that_make_up_for_each_other_go_together() -> None:
    """Each of the pair is felt strongly, both together not at all."""
    signal = np.random.default_rng(0).normal(size=(400, 4))
    signal[:, 3] = -signal[:, 2]
    alone, together = rank(signal, together=0), rank(signal, together=1)
    assert alone.lost[-1] == pytest.approx((signal**2).sum(1).mean() / 2)
    last = set(together.order[:2])
    assert last == {2, 3} or together.lost[-1] < alone.lost[-1] / 1.5


def test_half_the_mean_square_is_what_is_lost() -> None:
    signal = np.random.default_rng(0).normal(size=(30, 5))
    ranking = rank(signal, together=1)
    for gone in range(6):
        total = signal[:, ranking.order[:gone]].sum(1)
        assert ranking.lost[gone] == pytest.approx((total**2).mean() / 2)


def rankings(layers: int = 3, *, heads: int = 4, ffn: int = 128) -> Rankings:
    generator = np.random.default_rng(0)
    return Rankings(
        [rank(generator.normal(size=(20, heads))) for _ in range(layers)],
        [rank(generator.normal(size=(20, ffn)) * (layer + 1)) for layer in range(layers)],
    )


@given(heads=st.floats(0, 0.75), ffn=st.floats(0, 0.75))
def test_shares_are_met_in_whole_heads_and_multiples_of_32(heads: float, ffn: float) -> None:
    found = choice.by_shares(rankings(), (0, 1, 2), heads=heads, ffn=ffn)
    counts = [len(kept) for kept in found.heads]
    assert min(counts) >= 1
    assert 12 * (1 - heads) - 1 < sum(counts) <= max(3, 12 * (1 - heads) + 1e-6)
    neurons = [len(kept) for kept in found.ffn]
    assert all(count % 32 == 0 and count >= 32 for count in neurons)
    assert 384 * (1 - ffn) - 32 < sum(neurons) <= max(96, 384 * (1 - ffn) + 1e-6)


def test_the_layers_that_lose_least_give_most() -> None:
    found = choice.by_shares(rankings(), (0, 1, 2), heads=0, ffn=0.5)
    first, _, last = (len(kept) for kept in found.ffn)
    assert first < last


TABLE = Table({1: 1.0, 4: 4.0}, {32: 1.0, 128: 4.0})


def test_a_speedup_is_met_by_the_table() -> None:
    for speedup in (1.2, 2.0, 3.5):
        found = choice.by_latency(
            rankings(), Depths.only((0, 1, 2)), TABLE, speedup=speedup, prunes_heads=True
        )
        assert choice.speedup(rankings(), TABLE, found) >= speedup
        assert choice.speedup(rankings(), TABLE, found) < speedup * 1.3


@pytest.mark.parametrize(("prunes_heads", "nearest"), [(True, 3.9), (False, 1.5)])
def test_a_speedup_that_cannot_be_met_names_the_nearest_that_can(
    prunes_heads: bool, nearest: float
) -> None:
    depths = Depths.only((0, 1, 2))
    with pytest.raises(StepError, match=rf"5 times as fast.*at most latency: {nearest} can be met"):
        choice.by_latency(rankings(), depths, TABLE, speedup=5, prunes_heads=prunes_heads)
    choice.by_latency(rankings(), depths, TABLE, speedup=nearest, prunes_heads=prunes_heads)


def test_layers_go_where_that_loses_less() -> None:
    """Free to drop layer 1, the others stay whole; dear to drop, all become narrow."""
    for lost, kept in ((0.0, (0, 2)), (1e9, (0, 1, 2))):
        depths = Depths((((0, 1, 2), 0.0), ((0, 2), lost)))
        found = choice.by_latency(rankings(), depths, TABLE, speedup=1.5, prunes_heads=True)
        assert found.layers == kept
    assert [len(heads) for heads in found.heads] != [4, 4, 4]


def test_a_table_never_falls_with_the_width() -> None:
    table = Table({1: 2.0, 4: 1.0}, {32: 1.0, 64: 3.0, 128: 2.0})
    assert list(table.attention_seconds(np.array([1, 2, 4]))) == [2, 2, 2]
    assert list(table.network_seconds(np.array([32, 48, 128]))) == [1, 2, 3]


def test_this_machine_is_measured_at_each_width() -> None:
    shape = Shape(hidden=64, head_size=16, heads=4, ffn=256, layers=2)
    told: list[float] = []
    table = measure(shape, [4, 12], on_progress=told.append)
    assert set(table.attention) >= {1, 4}
    assert {32, 256} <= set(table.network)
    assert all(seconds > 0 for seconds in [*table.attention.values(), *table.network.values()])
    assert told[-1] == 1
    assert Table.from_json(table.as_json()) == table


def test_magnitudes_are_summed_from_the_smallest() -> None:
    ranking = rank_by_size(np.array([3.0, 1.0, 2.0]))
    assert list(ranking.order) == [1, 2, 0]
    assert list(ranking.lost) == [0, 1, 3, 6]
    assert list(search.widths(100, 32)) == [100, 96, 64, 32]
    assert list(search.widths(20, 32)) == [20]

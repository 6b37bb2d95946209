"""Chooses one option for each item so that together they fit a budget and lose least.

The multiple-choice knapsack problem. A Lagrangian relaxation gives a bound and a price per byte
(Sinha and Zoltners 1979, doi.org/10.1287/opre.27.3.503); an option further from the bound than a
known solution cannot be part of a better one, and of the few that are left all combinations are
examined, except dominated ones (Dyer, Kayal and Walker 1984). Knows no model.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_STATES = 20_000
"""Combinations held at once. With fewer, the choice is optimal; a problem that needs more gets the
best of those held, which is closer to the bound than the options' steps are."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Option:
    size_bytes: int
    loss: float
    """Not negative."""


@dataclass(frozen=True, slots=True)
class _Step:
    """From one option of an item to a larger one, with no better option in between."""

    gain: float
    """Loss that each byte saves."""
    item: int
    option: int
    more_bytes: int


def least_bytes(items: Sequence[Sequence[Option]]) -> int:
    """The bytes that the smallest options take together."""
    return sum(min(option.size_bytes for option in item) for item in items)


def choose(items: Sequence[Sequence[Option]], budget_bytes: int) -> list[int]:
    """The index of each item's chosen option; ValueError where none fits the budget."""
    if least_bytes(items) > budget_bytes:
        raise ValueError(f"{least_bytes(items)} bytes are the least, and {budget_bytes} are given")
    hulls = [hull(item) for item in items]
    steps = sorted(_steps(items, hulls), key=lambda step: -step.gain)
    known, price = _greedy(items, hulls, steps, budget_bytes)
    reduced = [np.array([one.loss + price * one.size_bytes for one in item]) for item in items]
    bound = sum(float(one.min()) for one in reduced) - price * budget_bytes
    gap = _loss(items, known) - bound
    allowed = gap + _ROUNDING * max(1.0, abs(bound))
    best = _best(items, [one - one.min() for one in reduced], budget_bytes, allowed)
    # Where combinations were dropped, the best of those held may lose more.
    return known if best is None or _loss(items, known) <= _loss(items, best) else best


def hull(item: Sequence[Option]) -> list[int]:
    """The options that are best at some price per byte, smallest first."""
    order = sorted(range(len(item)), key=lambda one: (item[one].size_bytes, item[one].loss))
    kept: list[int] = []
    for number in order:
        if kept and item[number].loss >= item[kept[-1]].loss:
            continue
        while len(kept) > 1 and _gain(item, kept[-2], kept[-1]) <= _gain(item, kept[-1], number):
            kept.pop()
        kept.append(number)
    return kept


def _gain(item: Sequence[Option], smaller: int, larger: int) -> float:
    more = item[larger].size_bytes - item[smaller].size_bytes
    return (item[smaller].loss - item[larger].loss) / more


def _steps(items: Sequence[Sequence[Option]], hulls: Sequence[Sequence[int]]) -> list[_Step]:
    return [
        _Step(
            _gain(item, smaller, larger),
            number,
            larger,
            item[larger].size_bytes - item[smaller].size_bytes,
        )
        for number, (item, own) in enumerate(zip(items, hulls, strict=True))
        for smaller, larger in itertools.pairwise(own)
    ]


def _greedy(
    items: Sequence[Sequence[Option]],
    hulls: Sequence[Sequence[int]],
    steps: Sequence[_Step],
    budget_bytes: int,
) -> tuple[list[int], float]:
    """A good choice, and the price per byte: what the first step that does not fit would gain."""
    chosen = [own[0] for own in hulls]
    left = budget_bytes - sum(item[one].size_bytes for item, one in zip(items, chosen, strict=True))
    price, stuck = 0.0, set[int]()
    for step in steps:
        if step.item in stuck:
            continue
        if step.more_bytes > left:
            price = price or step.gain
            # Later steps of this item start where this one ends.
            stuck.add(step.item)
            continue
        chosen[step.item] = step.option
        left -= step.more_bytes
    return chosen, price


def _loss(items: Sequence[Sequence[Option]], chosen: Sequence[int]) -> float:
    return sum(item[one].loss for item, one in zip(items, chosen, strict=True))


def _best(
    items: Sequence[Sequence[Option]],
    reduced: Sequence[np.ndarray],
    budget_bytes: int,
    allowed: float,
) -> list[int] | None:
    """The best of all choices whose reduced losses sum to no more than `allowed`."""
    least = [min(option.size_bytes for option in item) for item in items]
    rest = np.concatenate([np.cumsum(least[::-1])[::-1], [0]])
    sizes, losses, distances = np.zeros(1, np.int64), np.zeros(1), np.zeros(1)
    trail: list[tuple[np.ndarray, np.ndarray]] = []
    for number, (item, own) in enumerate(zip(items, reduced, strict=True)):
        options = np.flatnonzero(own <= allowed)
        before = np.repeat(np.arange(len(sizes)), len(options))
        option = np.tile(options, len(sizes))
        item_sizes = np.array([one.size_bytes for one in item], dtype=np.int64)
        item_losses = np.array([one.loss for one in item])
        new_sizes = sizes[before] + item_sizes[option]
        new_losses = losses[before] + item_losses[option]
        new_distances = distances[before] + own[option]
        fits = (new_distances <= allowed) & (new_sizes + rest[number + 1] <= budget_bytes)
        kept = np.flatnonzero(fits)
        kept = kept[_undominated(new_sizes[kept], new_losses[kept])]
        if len(kept) > MOST_STATES:
            kept = kept[np.argsort(new_distances[kept], kind="stable")[:MOST_STATES]]
        if not len(kept):
            return None
        sizes, losses, distances = new_sizes[kept], new_losses[kept], new_distances[kept]
        trail.append((before[kept], option[kept]))
    return _walk_back(trail, int(losses.argmin()))


def _undominated(sizes: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The indices of those that lose less than everything no larger."""
    order = np.lexsort((losses, sizes))
    least_before = np.minimum.accumulate(losses[order])
    least_before = np.concatenate([[np.inf], least_before[:-1]])
    return np.asarray(order[losses[order] < least_before])


def _walk_back(trail: Sequence[tuple[np.ndarray, np.ndarray]], state: int) -> list[int]:
    chosen = []
    for before, option in reversed(trail):
        chosen.append(int(option[state]))
        state = int(before[state])
    return chosen[::-1]

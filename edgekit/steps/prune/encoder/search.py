"""Chooses how many units each layer keeps, and which. Numpy only; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Weight of what units do together, next to what each does alone. There are fewer texts than units,
# so pairs are less certain: a value between none (0) and all (1) measured best.
TOGETHER = 0.5


@dataclass(frozen=True, slots=True)
class Ranking:
    """The units of one layer in the order in which they go."""

    order: np.ndarray
    """Unit numbers, the first to go first."""
    lost: np.ndarray
    """lost[n] is the loss once the first n are gone; lost[0] = 0."""

    def kept(self, count: int) -> tuple[int, ...]:
        """The best `count` units, in their own order."""
        return tuple(sorted(int(unit) for unit in self.order[len(self.order) - count :]))

    def losses(self, counts: np.ndarray) -> np.ndarray:
        """What is lost where this many units are kept; never less than where more are."""
        return np.maximum.accumulate(self.lost)[len(self.order) - counts]


def rank(signal: np.ndarray, *, together: float = TOGETHER) -> Ranking:
    """Removes one unit after another, each time the one that adds least to the loss.

    `signal` (windows, units) holds each window's derivative with respect to each unit; a set's loss
    is half the mean square of its sum, so units that compensate for each other are seen (the block
    diagonal Fisher information with which Kwon et al. rearrange; here it searches from the start).
    """
    wide = signal.astype(np.float64)
    pairs = wide.T @ wide / max(1, len(wide))
    own = np.diag(pairs).copy()
    pairs *= together
    with_gone = np.zeros(len(own))
    order = np.empty(len(own), dtype=np.int64)
    lost = np.zeros(len(own) + 1)
    for step in range(len(own)):
        adds = own / 2 + with_gone
        unit = int(adds.argmin())
        order[step], lost[step + 1] = unit, lost[step] + adds[unit]
        own[unit] = np.inf  # gone
        with_gone += pairs[unit]
    return Ranking(order, lost)


def rank_by_size(sizes: np.ndarray) -> Ranking:
    """The smallest first; the loss is the sum of their sizes."""
    order = np.argsort(sizes, kind="stable")
    return Ranking(order, np.concatenate([[0.0], np.cumsum(sizes[order])]))


def widths(units: int, multiple: int) -> np.ndarray:
    """The counts that a layer may keep, the largest first: all, and multiples."""
    return np.array([*range(multiple, units, multiple), units])[::-1]


def allocate(losses: Sequence[np.ndarray], costs: Sequence[np.ndarray], budget: int) -> list[int]:
    """One option for each layer, with the summed cost within the budget and the least loss.

    `losses[i][k]` and `costs[i][k]` (whole numbers from 0) are those of option k of layer i. Exact,
    by dynamic programming; among equal losses the first option. Raises ValueError where even the
    cheapest options cost more.
    """
    if sum(int(cost.min()) for cost in costs) > budget:
        raise ValueError("no choice of options is within the budget")
    scale = int(np.gcd.reduce(np.concatenate(costs)))
    prices, budget = [cost // max(1, scale) for cost in costs], budget // max(1, scale)
    best = np.zeros(budget + 1)  # the least loss of the layers so far, within each cost
    choices = []
    for loss, price in zip(losses, prices, strict=True):
        table = np.full((len(loss), budget + 1), np.inf)
        for option, spent in enumerate(price):
            if spent <= budget:
                table[option, spent:] = loss[option] + best[: budget + 1 - spent]
        choices.append(table.argmin(axis=0))
        best = table.min(axis=0)
    chosen = []
    for choice, price in zip(reversed(choices), reversed(prices), strict=True):
        chosen.append(int(choice[budget]))
        budget -= int(price[chosen[-1]])
    return chosen[::-1]


@dataclass(frozen=True, slots=True)
class Depths:
    """The whole model first: which layers stay, and what removing the others loses (nats)."""

    tried: tuple[tuple[tuple[int, ...], float], ...]

    @property
    def last(self) -> tuple[int, ...]:
        """The layers of the smallest model."""
        return self.tried[-1][0]

    @classmethod
    def only(cls, layers: tuple[int, ...]) -> Depths:
        """Nothing to choose: these layers stay."""
        return cls(((layers, 0.0),))

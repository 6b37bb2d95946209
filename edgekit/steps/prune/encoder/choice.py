"""What goes and what stays, for shares to remove or for a speed-up. Numpy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.errors import StepError
from edgekit.steps.prune.encoder.latency import Table
from edgekit.steps.prune.encoder.search import Depths, Ranking, allocate, widths

# Onnxruntime's kernels work on blocks: network widths in between are no faster.
MULTIPLE = 32
# A budget of seconds is counted in this many parts.
PARTS = 4000


@dataclass(frozen=True, slots=True)
class Rankings:
    """Rankings of heads and of neurons, by layer of the checkpoint."""

    heads: Sequence[Ranking]
    ffn: Sequence[Ranking]


@dataclass(frozen=True, slots=True)
class Choice:
    """The numbers of what stays: layers, and each one's heads and neurons."""

    layers: tuple[int, ...]
    heads: tuple[tuple[int, ...], ...]
    ffn: tuple[tuple[int, ...], ...]

    @classmethod
    def of(
        cls, rankings: Rankings, layers: Sequence[int], heads: Sequence[int], ffn: Sequence[int]
    ) -> Choice:
        """The best heads and neurons, this many of each of these layers."""
        return cls(
            tuple(layers),
            tuple(rankings.heads[layer].kept(n) for layer, n in zip(layers, heads, strict=True)),
            tuple(rankings.ffn[layer].kept(n) for layer, n in zip(layers, ffn, strict=True)),
        )


def by_shares(rankings: Rankings, layers: Sequence[int], *, heads: float, ffn: float) -> Choice:
    """Removes at least these shares of the units of `layers`, where the least is lost."""
    return Choice.of(
        rankings,
        layers,
        _counts([rankings.heads[layer] for layer in layers], share=heads, multiple=1),
        _counts([rankings.ffn[layer] for layer in layers], share=ffn, multiple=MULTIPLE),
    )


def _counts(rankings: Sequence[Ranking], *, share: float, multiple: int) -> list[int]:
    if share == 0:
        return [len(ranking.order) for ranking in rankings]
    total = sum(len(ranking.order) for ranking in rankings)
    options = [widths(len(ranking.order), multiple) for ranking in rankings]
    budget = math.floor(total * (1 - share) + 1e-9)
    losses = [ranking.losses(counts) for ranking, counts in zip(rankings, options, strict=True)]
    least = sum(int(counts.min()) for counts in options)
    chosen = allocate(losses, options, max(budget, least))
    return [int(counts[option]) for counts, option in zip(options, chosen, strict=True)]


def by_latency(
    rankings: Rankings, depths: Depths, table: Table, *, speedup: float, prunes_heads: bool
) -> Choice:
    """The choice with the least loss that makes the layers `speedup` times as fast as they are.

    Every depth is tried: what its missing layers lose, and what the others lose by becoming narrow
    enough. Raises StepError with the largest speed-up there is.
    """
    part = _full_seconds(rankings, table) / PARTS
    found: list[tuple[float, Choice]] = []
    fastest = PARTS
    for layers, lost in depths.tried:
        heads = [widths(len(rankings.heads[layer].order), 1) for layer in layers]
        if not prunes_heads:
            heads = [counts[:1] for counts in heads]
        ffn = [widths(len(rankings.ffn[layer].order), MULTIPLE) for layer in layers]
        options = [*heads, *ffn]
        ranked = [rankings.heads[layer] for layer in layers]
        ranked += [rankings.ffn[layer] for layer in layers]
        losses = [one.losses(counts) for one, counts in zip(ranked, options, strict=True)]
        seconds = [table.attention_seconds(counts) for counts in heads]
        seconds += [table.network_seconds(counts) for counts in ffn]
        costs = [np.ceil(cost / part).astype(np.int64) for cost in seconds]
        least = sum(int(cost.min()) for cost in costs)
        fastest = min(fastest, least)
        if least * speedup > PARTS:
            continue
        chosen = allocate(losses, costs, math.floor(PARTS / speedup))
        kept = [int(counts[option]) for counts, option in zip(options, chosen, strict=True)]
        lost += sum(float(loss[option]) for loss, option in zip(losses, chosen, strict=True))
        found.append((lost, Choice.of(rankings, layers, kept[: len(layers)], kept[len(layers) :])))
    if not found:
        raise StepError(
            f"prune cannot make the layers {speedup:g} times as fast on this machine; at most "
            f"latency: {math.floor(PARTS / fastest * 10) / 10:g} can be met."
        )
    return min(found, key=lambda one: one[0])[1]


def speedup(rankings: Rankings, table: Table, choice: Choice) -> float:
    """How many times as fast the chosen layers are, according to the table."""
    heads = table.attention_seconds(np.array([len(kept) for kept in choice.heads]))
    ffn = table.network_seconds(np.array([len(kept) for kept in choice.ffn]))
    return _full_seconds(rankings, table) / float(heads.sum() + ffn.sum())


def _full_seconds(rankings: Rankings, table: Table) -> float:
    heads = np.array([len(ranking.order) for ranking in rankings.heads])
    ffn = np.array([len(ranking.order) for ranking in rankings.ffn])
    return float(table.attention_seconds(heads).sum() + table.network_seconds(ffn).sum())

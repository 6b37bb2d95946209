"""Turns rows into token windows and batches of similar length. Knows no model."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from edgekit.runtime.tokens import TextTokenizer
from edgekit.system import devices


@dataclass(frozen=True, slots=True)
class Example:
    """One window of a row, as token ids."""

    ids: tuple[int, ...]
    row: int
    target: tuple[int, ...] = ()
    """What is learnt from it, in the task's own numbering: labels, or token ids to generate."""


def examples(
    encoder: TextTokenizer, texts: Sequence[str], targets: Sequence[tuple[int, ...]] | None = None
) -> list[Example]:
    """Every window of every text; a text longer than the window gives several, none is cut off."""
    return [
        Example(tuple(ids), row, target)
        for row, (text, target) in enumerate(zip(texts, targets or [()] * len(texts), strict=True))
        for ids in encoder.windows(text)
    ]


def bucketed(items: Sequence[Example], *, size: int, seed: tuple[int, ...]) -> list[list[int]]:
    """Indices of items in shuffled batches of similar length, so that there is little padding.

    The items are shuffled, sorted by length within pools of 50 batches, and the batches are
    shuffled again. The same seed gives the same batches.
    """
    generator = random.Random(repr(seed))
    order = list(range(len(items)))
    generator.shuffle(order)
    pool = size * 50
    batches = []
    for start in range(0, len(order), pool):
        part = sorted(order[start : start + pool], key=lambda index: len(items[index].ids))
        batches += [part[at : at + size] for at in range(0, len(part), size)]
    generator.shuffle(batches)
    return batches


def collate(items: Sequence[Example], *, pad: int, device: torch.device | str) -> Mapping[str, Any]:
    """Padded `input_ids` and `attention_mask` of shape (items, longest).

    `pad` must be the model's own: RoBERTa counts positions by it.
    """
    longest = max(len(item.ids) for item in items)
    ids = torch.full((len(items), longest), pad, dtype=torch.long)
    mask = torch.zeros((len(items), longest), dtype=torch.long)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        mask[row, : len(item.ids)] = 1
    return {
        "input_ids": devices.send(ids, device),
        "attention_mask": devices.send(mask, device),
    }

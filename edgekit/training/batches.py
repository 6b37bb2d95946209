"""Turns rows into token windows and batches of like length. Knows no model."""

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
    """One window of a row: its token ids and its row's label number (-1: none)."""

    ids: tuple[int, ...]
    label: int
    row: int
    wanted: tuple[int, ...] = ()
    """The token ids to be written of it, by a model that writes."""


def examples(
    encoder: TextTokenizer, texts: Sequence[str], labels: Sequence[int] | None = None
) -> list[Example]:
    """Every window of every text; a text longer than the window gives several, none is cut."""
    return [
        Example(ids=tuple(ids), label=labels[row] if labels is not None else -1, row=row)
        for row, text in enumerate(texts)
        for ids in encoder.windows(text)
    ]


def bucketed(items: Sequence[Example], *, size: int, seed: tuple[int, ...]) -> list[list[int]]:
    """Numbers of items in shuffled batches whose lengths are alike, so that little is padding.

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


def collate(
    items: Sequence[Example], *, pad: int, device: torch.device | str
) -> tuple[Mapping[str, Any], torch.Tensor]:
    """Padded `input_ids` and `attention_mask` of shape (items, longest), and labels (items,).

    `pad` must be the model's own: RoBERTa counts positions by it.
    """
    longest = max(len(item.ids) for item in items)
    ids = torch.full((len(items), longest), pad, dtype=torch.long)
    mask = torch.zeros((len(items), longest), dtype=torch.long)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        mask[row, : len(item.ids)] = 1
    labels = torch.tensor([item.label for item in items])
    return {
        "input_ids": devices.send(ids, device),
        "attention_mask": devices.send(mask, device),
    }, devices.send(labels, device)

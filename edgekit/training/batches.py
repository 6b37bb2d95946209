"""Turns rows into token windows and batches of similar length. Knows no model."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from edgekit.checkpoint.encoders import has_types
from edgekit.data.inputs import Input
from edgekit.data.places import placed
from edgekit.runtime.tokens import TextTokenizer
from edgekit.system import devices


@dataclass(frozen=True, slots=True)
class Example:
    """One window of a row, as token ids."""

    ids: tuple[int, ...]
    row: int
    target: tuple[int, ...] = ()
    """What is learnt from it, in the task's own numbering: labels, or token ids to generate."""
    types: tuple[int, ...] = ()
    """Of a window of a pair, the type of each token; see runtime.tokens.Part."""


def examples(
    encoder: TextTokenizer,
    texts: Sequence[Input],
    targets: Sequence[tuple[int, ...]] | None = None,
    *,
    places: Sequence[str] | None = None,
) -> list[Example]:
    """Every window of every text or pair; one longer than the window gives several, none is cut
    off. `places` say where each was read from, for errors."""
    found: list[Example] = []
    told = zip(texts, targets or [()] * len(texts), places or [""] * len(texts), strict=True)
    for row, (text, target, place) in enumerate(told):
        with placed(place):
            parts = encoder.parts(text)
        found += (Example(tuple(part.ids), row, target, part.types) for part in parts)
    return found


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


def collate(
    items: Sequence[Example], *, pad: int, device: torch.device | str, config: Any = None
) -> Mapping[str, Any]:
    """Padded `input_ids` and `attention_mask` of shape (items, longest); of pairs `token_type_ids`,
    too, where a model with this `config` has types.

    `pad` must be the model's own: RoBERTa counts positions by it.
    """
    longest = max(len(item.ids) for item in items)
    ids = torch.full((len(items), longest), pad, dtype=torch.long)
    mask = torch.zeros((len(items), longest), dtype=torch.long)
    for row, item in enumerate(items):
        ids[row, : len(item.ids)] = torch.tensor(item.ids)
        mask[row, : len(item.ids)] = 1
    found = {"input_ids": ids, "attention_mask": mask}
    if config is not None and has_types(config) and any(item.types for item in items):
        found["token_type_ids"] = torch.zeros_like(ids)
        for row, item in enumerate(items):
            found["token_type_ids"][row, : len(item.types)] = torch.tensor(item.types)
    return {name: devices.send(one, device) for name, one in found.items()}

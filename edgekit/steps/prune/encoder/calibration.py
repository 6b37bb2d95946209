"""The texts that decide what is pruned, as batches of tokens. Knows no method."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from edgekit.data.inputs import Input
from edgekit.recipe.dataset import Dataset
from edgekit.runtime.tokens import TextTokenizer
from edgekit.training import predict
from edgekit.training.batches import Example, collate, examples

BATCH_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Calibration:
    """Token windows of similar length in padded batches."""

    batches: tuple[Mapping[str, torch.Tensor], ...]
    """The inputs of each batch, `input_ids` and `attention_mask` among them, (windows, longest)."""
    texts: int
    tokens: int

    def first(self, windows: int) -> Calibration:
        """About this many windows, evenly drawn from the short and the long ones."""
        total = sum(len(batch["input_ids"]) for batch in self.batches)
        every = max(1, total // windows)
        part = tuple(
            {name: tensor[::every] for name, tensor in batch.items()} for batch in self.batches
        )
        return Calibration(part, self.texts, self.tokens)

    def lengths(self) -> list[int]:
        """Three lengths in tokens, each standing for a third of the windows."""
        counts = [batch["attention_mask"].sum(1) for batch in self.batches]
        found = torch.cat(counts).float().cpu()
        return [int(found.quantile(q, interpolation="nearest")) for q in (1 / 6, 3 / 6, 5 / 6)]


def real_tokens(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Which tokens are not padding: bool of shape (windows, longest)."""
    return batch["attention_mask"].bool()


def choose_texts(dataset: Dataset, *, seed: int) -> Iterable[Input]:
    """Texts of training rows, every language in turn, alternating with texts without labels."""
    generator = random.Random(seed)
    by_language: dict[str | None, dict[Input, None]] = {}
    for row in dataset.train:
        by_language.setdefault(row.language, {})[row.input] = None
    labelled = [list(pile) for pile in by_language.values()]
    free: list[Input] = list(dict.fromkeys(dataset.unlabeled))
    for pile in (*labelled, free):
        generator.shuffle(pile)
    turns = [
        pile[level]
        for level in range(max((len(pile) for pile in labelled), default=0))
        for pile in labelled
        if level < len(pile)
    ]
    mixed = [text for pair in zip(turns, free, strict=False) for text in pair]
    shorter = min(len(turns), len(free))
    return dict.fromkeys([*mixed, *turns[shorter:], *free[shorter:]])


def read(
    texts: Iterable[Input],
    encoder: TextTokenizer,
    *,
    most_texts: int,
    most_tokens: int,
    pad: int,
    device: str,
    config: Any = None,
) -> Calibration:
    """The windows of the first texts, short ones first, within both limits; `config` is the
    model's, which says whether it is given token types."""
    items: list[Example] = []
    read_texts = tokens = 0
    for text in texts:
        found = examples(encoder, [text])
        size = sum(len(item.ids) for item in found)
        if read_texts == most_texts or (items and tokens + size > most_tokens):
            break
        items += found
        read_texts, tokens = read_texts + 1, tokens + size
    parts = predict.by_length(items, BATCH_TOKENS)
    batches = tuple(collate(part, pad=pad, device=device, config=config) for part in parts)
    return Calibration(batches, read_texts, tokens)

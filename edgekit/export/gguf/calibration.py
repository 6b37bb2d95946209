"""Chooses the tokens to measure importance on, equally many per language. Knows no weights."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.data.rows import Row
from edgekit.data.spread import NO_LANGUAGE, fill
from edgekit.export.gguf import documents

WINDOW = 512
"""Tokens read at once, from their beginning; fewer where a language's share is less."""
LEAST_WINDOW = 64
# Assumed upper bound on the characters of an average token: limits the rows looked at.
_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Chosen:
    """Windows of tokens, in the order in which they are read."""

    tokens: tuple[tuple[int, ...], ...]
    by_language: Mapping[str, int]
    """How many tokens each language has; NO_LANGUAGE stands for rows that name none."""

    @property
    def count(self) -> int:
        return sum(self.by_language.values())


def choose(
    model: Path, rows: Sequence[Row], *, languages: Sequence[str], tokens: int, seed: int
) -> Chosen:
    """About `tokens` tokens of the rows, an equal share for each language.

    Rows of languages that the recipe does not list are left out; rows without a language count as
    one more language. Where a language has less than its share, the others get the rest.
    """
    piles = _piles(rows, languages, tokens, seed)
    flat = [row for pile in piles.values() for row in pile]
    share = tokens // max(1, len(piles))
    read = documents.read(model, flat, window=min(WINDOW, max(LEAST_WINDOW, share)))
    windows: dict[str, list[tuple[int, ...]]] = {language: [] for language in piles}
    for window, number in zip(read.tokens, read.rows, strict=True):
        windows[flat[number].language or NO_LANGUAGE].append(window)
    taken = fill({name: [len(one) for one in own] for name, own in windows.items()}, tokens)
    return Chosen(
        tokens=tuple(one for name, count in taken.items() for one in windows[name][:count]),
        by_language={
            name: sum(map(len, windows[name][:count])) for name, count in taken.items() if count
        },
    )


def _piles(
    rows: Sequence[Row], languages: Sequence[str], tokens: int, seed: int
) -> dict[str, list[Row]]:
    """Rows of each language in random order, no more than could be needed."""
    piles: dict[str, list[Row]] = {}
    for row in rows:
        if row.language is None or row.language in languages:
            piles.setdefault(row.language or NO_LANGUAGE, []).append(row)
    found = {}
    for name in sorted(piles):
        shuffled = random.Random(f"{seed} {name}").sample(piles[name], len(piles[name]))
        characters, kept = 0, []
        for row in shuffled:
            if characters > _CHARACTERS * tokens:
                break
            kept.append(row)
            characters += len(row.text)
        found[name] = kept
    return found

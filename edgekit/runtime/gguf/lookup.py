"""Guesses how a text goes on by where its last tokens stood before. Knows no model.

Prompt lookup: summaries, fields and answers about a text repeat much of it word for word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LONGEST = 4
"""Most tokens that a place is recognized by; more are hardly rarer."""


@dataclass(frozen=True, slots=True)
class Guess:
    tokens: tuple[int, ...]
    matched: int
    """How many tokens before it are the same at the place that it was taken from."""


class Lookup:
    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        """What follows up to LONGEST tokens: the latest place, but not the end of all."""
        for token in tokens:
            self.add(token)

    def add(self, token: int) -> None:
        end = len(self._tokens)
        for length in range(1, min(LONGEST, end) + 1):
            self._after[tuple(self._tokens[end - length :])] = end
        self._tokens.append(token)

    def guess(self, most: int) -> Guess:
        """Up to `most` tokens; where nothing is known, none that `matched` something."""
        for length in range(min(LONGEST, len(self._tokens)), 0, -1):
            place = self._after.get(tuple(self._tokens[-length:]))
            if place is not None:
                return Guess(tuple(self._tokens[place : place + most]), length)
        return Guess((), 0)

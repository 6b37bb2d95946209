"""The tokens of an answer, several at a time where they can be guessed. Chooses no token itself.

Guesses are read in one batch with the token before them; the sampler is then asked for each token
by the logits that it would have had, and the first that is not what was guessed ends the batch. So
every way of sampling gives the same answer with any guesses or none (Saxena 2023, prompt lookup;
Leviathan et al. 2022, arXiv 2211.17192, for the greedy case).
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from itertools import takewhile
from typing import Protocol

from edgekit.runtime.gguf.batches import Batches, Evaluating
from edgekit.runtime.gguf.lookup import Guess
from edgekit.system.cancel import Cancel

# How often the next token of a guess is right, by the number of tokens that matched, until that is
# known better; it weighs as much as so many tokens.
_EXPECTED = (0.02, 0.25, 0.5, 0.65, 0.8)
_EXPECTED_WEIGHT = 4.0
_FORGETS = 0.98


class Sampling(Protocol):
    def next_token(self, place: int = -1) -> int: ...


class Guessing(Protocol):
    """A Lookup, or whatever else guesses."""

    def add(self, token: int) -> None: ...

    def guess(self, most: int) -> Guess: ...


class Worth:
    """How often guesses are right, and from that the size of the batch that pays most."""

    def __init__(self) -> None:
        self._right = [_EXPECTED_WEIGHT * share for share in _EXPECTED]
        self._wrong = [_EXPECTED_WEIGHT - right for right in self._right]

    def chance(self, matched: int) -> float:
        """That the next token of a guess is right if those before it are."""
        right, wrong = self._right[matched], self._wrong[matched]
        return right / (right + wrong)

    def size(self, guess: Guess, batches: Batches, *, room: int) -> int:
        """The size with the most tokens a second; guesses that are too short are filled up."""
        chance = self.chance(guess.matched)

        def rate(size: int) -> float:
            expected = sum(chance**place for place in range(size))
            return expected / batches.seconds(size)

        able = [size for size in batches.sizes if size <= min(room, len(guess.tokens) + 1)]
        return max(able, key=rate) if able else batches.least

    def learn(self, matched: int, *, right: int, wrong: bool) -> None:
        self._right[matched] = _FORGETS * self._right[matched] + right
        self._wrong[matched] = _FORGETS * self._wrong[matched] + wrong


class Drafting:
    """The tokens of one answer, and how many of them were drafted."""

    def __init__(
        self, model: Evaluating, batches: Batches, *, guessing: Guessing, worth: Worth
    ) -> None:
        self._model, self._batches = model, batches
        self._guessing, self._worth = guessing, worth
        self.least = batches.least
        """The size of the smallest batch."""
        self.drafted = 0
        self.accepted = 0

    def tokens(self, sampler: Sampling, *, context: int, cancel: Cancel) -> Generator[int]:
        """Goes on for as long as it is asked to, and the smallest batch fits into the context.

        Raises Cancelled.
        """
        model, token = self._model, sampler.next_token()
        while True:
            yield token
            self._guessing.add(token)
            known = len(model.tokens)
            guess, drafted = self._draft(token, room=context - known)
            began = time.perf_counter()
            model.evaluate_each([token, *drafted], cancel)
            self._batches.took(1 + len(drafted), time.perf_counter() - began)
            self.drafted += len(drafted)
            place = 0
            try:
                token = sampler.next_token(0)
                while place < len(drafted) and token == drafted[place]:
                    place += 1
                    self.accepted += 1
                    yield token
                    self._guessing.add(token)
                    token = sampler.next_token(place)
            finally:
                model.keep(known + 1 + place)
            self._learn(guess, [*drafted[:place], token])

    def _draft(self, token: int, *, room: int) -> tuple[Guess, list[int]]:
        guess = self._guessing.guess(self._batches.most - 1)
        size = self._worth.size(guess, self._batches, room=room)
        drafted = list(guess.tokens[: size - 1])
        return guess, drafted + [token] * (size - 1 - len(drafted))

    def _learn(self, guess: Guess, said: Sequence[int]) -> None:
        """Of a guess that was not drafted to its end, or not at all, too."""
        pairs = list(zip(guess.tokens, said, strict=False))
        right = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        self._worth.learn(guess.matched, right=right, wrong=right < len(pairs))

"""Of how many tokens batches can be so that it changes no bit of a logit, and what each costs.

Kernels differ by the number of rows, and sum in another order; what that changes is rounded again,
to 8 bits, layer after layer, until the likeliest token is another one. So drafts are only verified
in batches of sizes whose logits were found to be the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from edgekit.system.cancel import Cancel

SIZES = (2, 3, 4)
"""Tried in this order, each only if those before it are the same. One token alone is read by other
kernels, even where the logits of a small model hide it."""
_TRIED = 12
"""Tokens that are read in each size."""
_RECENT = 0.2
"""Weight of the latest measurement of a cost."""
_UNUSED = 0.995
"""A size that is not used seems a little cheaper each time, so that it is measured again."""


class Evaluating(Protocol):
    """What is needed from a model."""

    tokens: list[int]

    def evaluate_each(self, tokens: Sequence[int], cancel: Cancel) -> None: ...

    def logits(self, place: int = -1) -> np.ndarray: ...

    def keep(self, count: int) -> None: ...


class Batches:
    """The sizes that may be mixed within an answer, in order, and the seconds that one takes."""

    def __init__(self, seconds: Mapping[int, float]) -> None:
        self._seconds = dict(seconds)
        self.sizes = tuple(sorted(seconds))

    @property
    def least(self) -> int:
        return self.sizes[0]

    @property
    def most(self) -> int:
        return self.sizes[-1]

    def seconds(self, size: int) -> float:
        return self._seconds[size]

    def took(self, size: int, seconds: float) -> None:
        """What one took just now: other programs come and go, and the KV cache fills."""
        for other in self.sizes:
            if other != size:
                self._seconds[other] *= _UNUSED
        self._seconds[size] += _RECENT * (seconds - self._seconds[size])


def measure(model: Evaluating, cancel: Cancel) -> Batches | None:
    """None if no two sizes give the same bits, or there is no room to try; the KV cache stays.

    Raises Cancelled.
    """
    known = len(model.tokens)
    found: dict[int, float] = {}
    try:
        wanted, found[SIZES[0]] = _logits(model, SIZES[0], cancel)
        for size in SIZES[1:]:
            rows, seconds = _logits(model, size, cancel)
            if not np.array_equal(rows, wanted):
                break
            found[size] = seconds
    finally:
        model.keep(known)
    return Batches(found) if len(found) > 1 else None


def _logits(model: Evaluating, size: int, cancel: Cancel) -> tuple[np.ndarray, float]:
    """Of _TRIED tokens, read in batches of one size, and the seconds of the fastest batch."""
    known, tokens = len(model.tokens), range(1, 1 + _TRIED)
    rows, times = [], []
    for start in range(0, len(tokens), size):
        part = tokens[start : start + size]
        began = time.perf_counter()
        model.evaluate_each(part, cancel)
        times.append(time.perf_counter() - began)
        rows += [model.logits(place) for place in range(len(part))]
    model.keep(known)
    return np.stack(rows), min(times)

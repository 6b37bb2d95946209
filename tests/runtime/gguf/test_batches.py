"""Sizes are mixed only where every logit is the same, whatever the model does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from edgekit.runtime.gguf.batches import SIZES, Batches, measure
from edgekit.runtime.gguf.native import Llama, Opening
from edgekit.system.cancel import Cancel


class Rounding:
    """A model whose logits depend on the size of their batch as `kernel` says."""

    def __init__(self, kernel: Callable[[int], int]) -> None:
        self.tokens = [5, 6, 7]
        self._kernel = kernel
        self._rows: list[np.ndarray] = []

    def evaluate_each(self, tokens: Sequence[int], cancel: Cancel) -> None:
        kernel = self._kernel(len(tokens))
        self._rows = [np.array([len(self.tokens) + at, kernel]) for at in range(len(tokens))]
        self.tokens.extend(tokens)

    def logits(self, place: int = -1) -> np.ndarray:
        return self._rows[place]

    def keep(self, count: int) -> None:
        del self.tokens[count:]


@pytest.mark.parametrize(
    ("kernel", "sizes"),
    [
        (lambda size: 0, SIZES),
        (lambda size: min(size, 2), SIZES),
        (lambda size: size // 4, (2, 3)),
        (lambda size: size, None),
        (lambda size: size % 2, None),
    ],
    ids=["all", "all but one", "small", "none", "every other"],
)
def test_sizes_that_round_otherwise_are_left_out(
    kernel: Callable[[int], int], sizes: tuple[int, ...] | None
) -> None:
    model = Rounding(kernel)
    found = measure(model, Cancel())
    assert (None if found is None else found.sizes) == sizes
    assert model.tokens == [5, 6, 7]


def test_a_size_that_is_not_used_is_tried_again() -> None:
    batches = Batches({2: 1.0, 4: 3.0})
    for _ in range(300):
        batches.took(2, 1.0)
    assert batches.seconds(2) == pytest.approx(1.0)
    assert batches.seconds(4) < 1.0
    for _ in range(30):
        batches.took(4, 3.0)
    assert batches.seconds(4) == pytest.approx(3.0, rel=0.01)


def test_what_was_found_of_a_real_model_holds_anywhere_in_its_memory(tiny_gguf: Path) -> None:
    """At the edge of a page of the KV cache, too, where more cells are read."""
    model = Llama(tiny_gguf, Opening(context=512, threads=1, sequences=4))
    batches = measure(model, Cancel())
    assert model.tokens == []
    if batches is None:
        pytest.skip("no two sizes of batches give the same bits on this machine")
    tokens = [3 + at * 7 % 900 for at in range(300)]
    wanted = _rows(model, tokens, [batches.least] * (50 // batches.least))
    for sizes in ([batches.most] * 6, list(batches.sizes) * 3):
        found = _rows(model, tokens, sizes)
        same = min(len(found), len(wanted))
        assert same > 20
        assert np.array_equal(found[:same], wanted[:same])
    model.close()


def _rows(model: Llama, tokens: Sequence[int], sizes: Sequence[int]) -> np.ndarray:
    """The logits after each of the tokens from the 240th on."""
    model.keep(0)
    model.evaluate(tokens[:240], Cancel())
    rows = []
    for size in sizes:
        model.evaluate_each(tokens[len(model.tokens) :][:size], Cancel())
        rows += [model.logits(place) for place in range(size)]
    return np.stack(rows)

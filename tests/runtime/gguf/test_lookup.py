"""Guesses are what followed the same tokens before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgekit.runtime.gguf.lookup import LONGEST, Lookup


def test_the_longest_match_is_gone_on_with_and_of_several_the_latest() -> None:
    found = Lookup([1, 2, 3, 9, 5, 2, 3, 4, 6, 7, 2, 3])
    assert (found.guess(3).tokens, found.guess(3).matched) == ((4, 6, 7), 2)
    found.add(9)
    assert (found.guess(2).tokens, found.guess(2).matched) == ((5, 2), 3)
    found.add(8)
    assert (found.guess(2).tokens, found.guess(2).matched) == ((), 0)
    assert Lookup([]).guess(4).tokens == ()


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 8))
def test_every_guess_stood_after_as_many_tokens_as_it_says(tokens: list[int], most: int) -> None:
    found = Lookup(tokens).guess(most)
    places = {
        size: [at for at in range(size, len(tokens)) if tokens[at - size : at] == tokens[-size:]]
        for size in range(1, LONGEST + 1)
    }
    matched = max((size for size in places if places[size]), default=0)
    latest = places[matched][-1] if matched else len(tokens)
    assert (found.matched, found.tokens) == (matched, tuple(tokens[latest : latest + most]))

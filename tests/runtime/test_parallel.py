"""A stream through several threads: in order, lazy, bounded, and over when it is closed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.runtime.parallel import AHEAD, in_order


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 0.003), max_size=30), st.integers(1, 4))
def test_results_come_in_order(delays: list[float], workers: int) -> None:
    def slow(item: tuple[int, float]) -> int:
        time.sleep(item[1])
        return item[0]

    assert list(in_order(slow, enumerate(delays), workers=workers)) == list(range(len(delays)))


def test_several_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)
    assert list(in_order(lambda _: both.wait() < 2, range(4), workers=2)) == [True] * 4


def test_an_endless_stream_is_read_only_a_little_ahead() -> None:
    taken = []

    def endless() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    results = in_order(lambda number: number * 2, endless(), workers=2)
    assert list(islice(results, 100)) == list(range(0, 200, 2))
    assert len(taken) <= 100 + 2 * AHEAD + 1
    results.close()
    known = len(taken)
    time.sleep(0.05)
    assert len(taken) == known


def test_closing_drops_what_has_not_begun() -> None:
    begun = []
    release = threading.Event()

    def wait(number: int) -> int:
        begun.append(number)
        if number:
            release.wait(10)
        return number

    results = in_order(wait, range(1000), workers=2)
    assert next(results) == 0
    release.set()
    results.close()
    assert len(begun) <= 2 + 2 * AHEAD
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("edgekit_")]


def test_an_error_of_the_stream_comes_after_the_results_before_it() -> None:
    def broken() -> Iterator[int]:
        yield from (1, 2, 3)
        raise LookupError("the queue is gone")

    results = in_order(lambda number: number, broken(), workers=2)
    assert list(islice(results, 3)) == [1, 2, 3]
    with pytest.raises(LookupError, match="the queue is gone"):
        next(results)


def test_an_error_of_the_function_stands_where_its_result_would() -> None:
    results = in_order(lambda number: 6 // number, [3, 2, 0, 1], workers=2)
    assert list(islice(results, 2)) == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_nothing_is_taken_before_the_first_result_is_asked_for() -> None:
    stream = iter([1])
    in_order(lambda number: number, stream, workers=2)
    assert next(stream) == 1

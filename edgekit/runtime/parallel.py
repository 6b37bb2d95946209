"""Maps a function over a stream in a few threads, with results in order. Knows no models."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

AHEAD = 4
"""How many items each worker takes from the stream ahead of the awaited result."""


def in_order(
    function: Callable[[In], Out], items: Iterable[In], *, workers: int
) -> Generator[Out, None, None]:
    """Yields function(item) for each item, in order; lazy, so that the stream may be endless.

    Items are taken in the caller's thread. An error of the stream or of the function is raised
    where its result would have come. Closing the generator stops the work.
    """
    if isinstance(items, Sized) and len(items) == 1:
        # To start threads would take longer than a small model does.
        yield from map(function, items)
        return
    waiting: deque[Future[Out]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="edgekit")
    try:
        for future in _submitted(pool, function, items):
            waiting.append(future)
            while len(waiting) > workers * AHEAD or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submitted(
    pool: ThreadPoolExecutor, function: Callable[[In], Out], items: Iterable[In]
) -> Generator[Future[Out], None, None]:
    """A future for each item; an error of the stream becomes the last."""
    try:
        for item in items:
            yield pool.submit(function, item)
    except Exception as error:
        failed: Future[Out] = Future()
        failed.set_exception(error)
        yield failed

"""Stops untrusted Python code when it takes too many lines, seconds or bytes.

Counts every line that runs, so that the same code is stopped at the same line on every machine.
A single call into C cannot be stopped while it runs; the memory that it takes is bounded where the
system allows that (`resource`: not on Windows).
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

MAX_LINES = 2_000_000
MAX_SECONDS = 20.0
"""CPU time of this thread: the code is not to blame for a busy machine."""
MAX_BYTES = 256 * 1024 * 1024
"""Address space beyond what the process has when the code begins."""
_LOOK_EVERY_LINES = 1024
_ALONE = threading.Lock()


class LimitReached(BaseException):
    """Not an Exception, so that the stopped code does not catch it."""


@contextmanager
def limited(
    *, lines: int = MAX_LINES, seconds: float = MAX_SECONDS, more_bytes: int = MAX_BYTES
) -> Iterator[None]:
    """Raises LimitReached inside the block when a limit is reached; MemoryError is possible, too.

    One thread at a time; a debugger's tracing is off inside.
    """
    with _ALONE, _bounded_memory(more_bytes):
        counter = _Counter(lines, time.thread_time() + seconds)
        before = sys.gettrace()
        sys.settrace(counter)
        try:
            yield
        finally:
            sys.settrace(before)


class _Counter:
    """A trace function: called for each call and each line."""

    def __init__(self, lines: int, deadline: float) -> None:
        self._left = lines
        self._deadline = deadline

    def __call__(self, frame: FrameType, event: str, argument: Any) -> _Counter:
        self._left -= 1
        if self._left < 0:
            raise LimitReached("it runs too many lines")
        if self._left % _LOOK_EVERY_LINES == 0 and time.thread_time() > self._deadline:
            raise LimitReached("it takes too long")
        return self


@contextmanager
def _bounded_memory(more_bytes: int) -> Iterator[None]:
    if sys.platform != "linux":
        yield
        return
    import resource  # absent on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _address_space_bytes() + more_bytes
    known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([wanted, *known]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space_bytes() -> int:
    found = re.search(r"VmSize:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0

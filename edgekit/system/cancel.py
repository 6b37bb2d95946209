"""A flag that one thread sets and another heeds, also one that runs no Python."""

from __future__ import annotations

import ctypes


class Cancelled(Exception):
    """The work was told to stop; what was done before is kept."""


class Cancel:
    def __init__(self) -> None:
        # A text for C: empty until the flag is set, of one letter then.
        self._flag = ctypes.create_string_buffer(2)

    def set(self) -> None:
        self._flag[0] = b"\1"

    def is_set(self) -> bool:
        return self._flag[0] != b"\0"

    @property
    def address(self) -> int:
        """Of a text in memory whose length is 1 once the flag is set, else 0."""
        return ctypes.addressof(self._flag)

"""A flag that one thread sets and another checks, even from native code."""

from __future__ import annotations

import ctypes


class Cancelled(Exception):
    """The work was cancelled; what was done until then is kept."""


class Cancel:
    def __init__(self) -> None:
        # A C string: empty until the flag is set, then of one letter.
        self._flag = ctypes.create_string_buffer(2)

    def set(self) -> None:
        self._flag[0] = b"\1"

    def is_set(self) -> bool:
        return self._flag[0] != b"\0"

    @property
    def address(self) -> int:
        """The address of a C string whose length is 1 once the flag is set, and 0 until then."""
        return ctypes.addressof(self._flag)

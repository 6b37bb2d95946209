"""Reads a GGUF's tensor entries, and skips the rest. Knows no type numbers.

The package gguf makes an array of every piece of the vocabulary, which takes ten seconds where
there are 262,144 of them. Format: GGUF 2 and 3, little-endian
(github.com/ggml-org/ggml/blob/master/docs/gguf.md).
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ExportError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value of each kind."""
_ALIGNMENT_KEY, _ALIGNMENT = b"general.alignment", 32
_LENGTH = struct.Struct("<Q")
_NUMBER = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor as the header describes it."""

    name: str
    type: int
    """Its number in ggml.h."""
    shape: tuple[int, ...]
    """Columns first."""
    offset: int
    """Position of its first byte in the file."""


def read(path: Path) -> list[Entry]:
    """Every tensor, in the file's order; raises ExportError for an incomplete GGUF header."""
    try:
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            return _Cursor(data).entries()
    except (struct.error, LookupError, ValueError, ArithmeticError) as error:
        raise ExportError(f"{path}: this is no whole GGUF file ({error}); make it anew.") from error


class _Cursor:
    """A place in a header."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, 0

    def entries(self) -> list[Entry]:
        if self._data[:4] != _MAGIC:
            raise ValueError("it does not begin with 'GGUF'")
        self._at = 4
        if (version := self._number()) not in _VERSIONS:
            raise ValueError(f"its version is {version}")
        tensors, keys = self._length(), self._length()
        alignment = _ALIGNMENT
        for _ in range(keys):
            key, kind = self._string(), self._number()
            if key == _ALIGNMENT_KEY and kind == _UINT32:
                alignment = self._number()
            else:
                self._skip(kind)
        found = [self._tensor() for _ in range(tensors)]
        begin = -(-self._at // alignment) * alignment
        return [Entry(name, kind, shape, begin + offset) for name, kind, shape, offset in found]

    def _tensor(self) -> tuple[str, int, tuple[int, ...], int]:
        name = self._string().decode("utf-8")
        shape = tuple(self._length() for _ in range(self._number()))
        return name, self._number(), shape, self._length()

    def _skip(self, kind: int) -> None:
        if kind == _STRING:
            self._skip_strings(1)
        elif kind == _ARRAY:
            inner, count = self._number(), self._length()
            if inner == _STRING:
                self._skip_strings(count)
            else:
                self._at += _BYTES[inner] * count
        else:
            self._at += _BYTES[kind]

    def _skip_strings(self, count: int) -> None:
        data, at, unpack = self._data, self._at, _LENGTH.unpack_from
        for _ in range(count):
            at += 8 + unpack(data, at)[0]
        self._at = at

    def _string(self) -> bytes:
        length = self._length()
        self._at += length
        return self._data[self._at - length : self._at]

    def _length(self) -> int:
        [found] = _LENGTH.unpack_from(self._data, self._at)
        self._at += 8
        return int(found)

    def _number(self) -> int:
        [found] = _NUMBER.unpack_from(self._data, self._at)
        self._at += 4
        return int(found)

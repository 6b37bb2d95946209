"""What foreign text may show on a terminal: characters, never commands to it."""

from __future__ import annotations

import re
from typing import TextIO

# Control characters, lone surrogates, and marks that change the direction of everything after them.
# Line breaks go too: one answer is one line.
_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


def printable(text: str, *, most: int = 100) -> str:
    """The text on one line, without anything a terminal would obey, cut to `most` characters."""
    shown = _COMMANDS.sub(" ", text).strip()
    return shown if len(shown) <= most else shown[: most - 1] + "…"


# Line breaks and tabs are for the reader; everything else that a terminal would obey goes.
_IN_ANSWERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


class Shown:
    """An answer on a terminal, piece by piece; it cannot command it.

    Each control character is removed by itself, so no sequence can be completed by the pieces that
    it is cut into: only its printable characters stay.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._ended_line = True

    def add(self, piece: str) -> None:
        text = _IN_ANSWERS.sub("", piece)
        if text:
            self._out.write(text)
            self._out.flush()
            self._ended_line = text.endswith("\n")

    def finish(self) -> None:
        """Ends the answer with a line break."""
        if not self._ended_line:
            self._out.write("\n")
        self._out.flush()

"""What text from outside may show on a terminal: letters, never commands to it."""

from __future__ import annotations

import re

# Control characters, surrogates without their half, and what turns the direction of all that
# follows. Line breaks go too: one answer is one line.
_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


def printable(text: str, *, most: int = 100) -> str:
    """The text on one line, without anything a terminal would obey, cut to `most` characters."""
    shown = _COMMANDS.sub(" ", text).strip()
    return shown if len(shown) <= most else shown[: most - 1] + "…"

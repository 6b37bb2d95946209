"""The one place where foreign text becomes harmless: what models, files and names may show.

Whatever a terminal would obey is removed: whole escape sequences, control characters, marks that
change the direction of everything after them, and lone surrogates. Newline and tab stay.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from rich.text import Text
from textual.content import Content

_STRINGS = (
    # OSC, DCS, APC, PM, SOS: up to their terminator, or to the end where there is none.
    "(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x1b\\\\|\x9c|\x07|$)"
)
_CSI = "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"
_ESCAPE = "\x1b[ -/]*[0-~]?"
_CONTROLS = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_HALVES = "[\ud800-\udfff]"
_SEQUENCES = re.compile(f"{_STRINGS}|{_CSI}|{_ESCAPE}", re.DOTALL)
_SINGLES = re.compile(f"{_CONTROLS}|{_HALVES}")
_LINES = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACES = re.compile("\\s+")


def clean(text: str) -> str:
    """The text without anything a terminal would obey; letters, newlines and tabs stay.

    Clean the assembled text, not its chunks: a sequence may be cut in two.
    """
    if text.isascii() and text.isprintable():
        return text
    without = _SEQUENCES.sub("", _LINES.sub("\n", text))
    return _SINGLES.sub("", without)


def one_line(text: str, *, most: int = 200) -> str:
    """Clean, on one line, cut to `most` characters."""
    # Cut twice: megabytes of text need not be cleaned to show the beginning.
    shown = _SPACES.sub(" ", clean(text[: most * 20])).strip()
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


def path_text(path: Path) -> str:
    """A path as people write it: `~` for their own folder."""
    home = Path.home()
    return f"~{os.sep}{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def content(text: str) -> Content:
    """Clean text for a widget; square brackets are letters in it, not markup."""
    return Content(clean(text))


def cell(text: str, style: str = "") -> Text:
    """One clean line for a cell of a table, which can measure no other type."""
    return Text(one_line(text), style, no_wrap=True)

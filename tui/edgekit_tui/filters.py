"""The last gate before the terminal: every line of every widget passes here. Knows no widgets.

Foreign text is cleaned where it comes in (text.py). What a user pastes into a field, or what a
library's widget shows by itself, does not pass there; nothing can bypass this gate.
"""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u200e\u200f\u2066-\u2069\ud800-\udfff]")

# Replacements of the same width for terminals without Unicode.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("─━═▔▁▂▃▄▀╌┄", "-"),
        **dict.fromkeys("│┃║▏▎▍▌▐▕▊▋", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝┏┓┗┛", "+"),
        **dict.fromkeys("█▉■●⬤▓▒◼", "#"),
        **dict.fromkeys("░·•○◦‧", "."),
        **dict.fromkeys("›▶→❯", ">"),
        **dict.fromkeys("‹◀←❮", "<"),
        **dict.fromkeys("▲↑^", "^"),
        **dict.fromkeys("▼↓", "v"),
        **dict.fromkeys("‘’", "'"),
        **dict.fromkeys("“”", '"'),
        "–": "-", "—": "-", "…": "~", "✓": "+", "✗": "x", "×": "x", "\u00a0": " ", "\u202f": " ",
    }
)  # fmt: skip


class Harmless(LineFilter):
    """Replaces every character that a terminal would obey with spaces of its width."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if not any(_OBEYED.search(text) for text, _, control in segments if not control):
            return segments
        return [
            segment if control else Segment(_OBEYED.sub(_blank, text), style)
            for segment in segments
            for text, style, control in (segment,)
        ]


def _blank(match: re.Match[str]) -> str:
    return " " * cell_len(match[0])


class NoColour(LineFilter):
    """Removes all colour; text on a light background is shown in reverse video instead."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if control or style is None else Segment(text, _without_colour(style))
            for segment in segments
            for text, style, control in (segment,)
        ]


@lru_cache(1024)
def _without_colour(style: Style) -> Style:
    ground = style.bgcolor.get_truecolor() if style.bgcolor is not None else (0, 0, 0)
    light = sum(ground) > _LIGHT
    return style + _DEFAULT + Style(reverse=bool(style.reverse) != light, dim=False)


_DEFAULT = Style.from_color(RichColor.default(), RichColor.default())
_LIGHT = 3 * 64


class Encodable(LineFilter):
    """For terminals that are not UTF-8: letters they lack become plain ones of the same width."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self.encoding = encoding

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(_encodable(segment.text, self.encoding), segment.style)
            for segment in segments
        ]


@lru_cache(2048)
def _encodable(text: str, encoding: str) -> str:
    return "".join(_plain(letter, encoding) for letter in text)


def _plain(letter: str, encoding: str) -> str:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        found = letter.translate(_PLAIN)
        return found if found.isascii() else "?" * cell_len(letter)
    return letter

"""Finds the paragraphs of plain text: which line ends are a margin's, and which a writer's.

A file that was wrapped by hand has lines up to a margin; one taken from a PDF has lines as wide as
the page's letters made them. Knows no sentences but by the marks at their ends, and no model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# Lines may have been broken at margins within this range; longer lines were not.
_WIDEST_MARGIN = 120
_NARROWEST_MARGIN = 40
# What wide pages and narrow columns of PDFs have, where the text itself says that it goes on.
_WIDEST_PAGE = 200
_NARROWEST_COLUMN = 20
# Shares of the usual width: a line that goes on in lower case is as wide as this, and one that goes
# on with a capital, or in a script that has none, was about full with the next word on it.
_HALF, _NEARLY_FULL = 0.5, 0.9
_LEAST_LETTERS = 0.55
# Fewer lines say nothing of their usual width.
_LEAST_LINES = 3
# Prose has marks of sentences, or lines that begin in lower case, in as many of its lines.
_PROSE = 0.2

_HARD = re.compile("[\f\x0b\u2029]+")
_ENTRY = re.compile(r"\s*(?:[-*•‣◦–—·#]|\(?\d{1,3}[.)]|\d{1,3}(?:\.\d{1,3})+\.?|[A-Za-z][.)])\s")
_ENDED = re.compile(r"[.!?…:;。！？｡．：；।॥؟۔։።፧፨៕᠃᱾][\"'”’»›)\]}」』）】》〉\d\[]*$")
_BROKEN_WORD = re.compile(r"[^\W\d_][-‐\u00ad]$")
_SENTENCE = re.compile(r"[.!?…。！？｡।॥؟۔։።፧៕][\"'”’»)\]」』）]*(?:\s|$|(?<=[。！？｡]))")
_SCRIPTS_WITHOUT_ENDS = re.compile("[\u0e00-\u0eff]")
_LETTER = re.compile(r"[^\W\d_]")

Place = tuple[int, int]
"""Where a line, or a paragraph, begins and ends in the text."""


def paragraphs(text: str) -> Iterator[Place]:
    """Runs of lines that belong together, without surrounding white space."""
    began: int | None = None
    before: Place | None = None
    margins: _Margins | None = None
    for block in _blocks(text):
        last, margins = margins, _Margins(text, block)
        for number, line in enumerate(block):
            if before is not None and began is not None:
                goes_on = (
                    margins.joins(before, line)
                    if number or last is None
                    else last.continues(before, line)
                )
                if not goes_on:
                    yield _stripped(text, began, before[1])
                    began = None
            began = line[0] if began is None else began
            before = line
    if before is not None and began is not None:
        yield _stripped(text, began, before[1])


def _blocks(text: str) -> Iterator[list[Place]]:
    """Lines without a blank one between them."""
    block: list[Place] = []
    for start, end, hard in _lines(text):
        if start < end and not text[start:end].isspace():
            block.append((start, end))
        elif block:
            yield block
            block = []
        if hard and block:
            yield block
            block = []
    if block:
        yield block


def _lines(text: str) -> Iterator[tuple[int, int, bool]]:
    """Each line, and whether more than a line ends with it: a page, or what Word calls a break."""
    at = 0
    while at < len(text):
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop
        for mark in _HARD.finditer(text, at, stop):
            yield at, mark.start(), True
            at = mark.end()
        yield at, stop, False
        at = stop + 1


class _Margins:
    """How wide the lines of a block are, and what that says of their ends."""

    def __init__(self, text: str, block: Sequence[Place]) -> None:
        self._text, self._lines = text, len(block)
        widths = sorted(_width(text, line) for line in block)
        self._widest = widths[-1]
        # An address or a table's row may be wider than all the rest.
        self._usual = widths[-1 - len(widths) // 5]
        self._prose = len(block) > 1 and _is_prose(text, block)

    def joins(self, line: Place, follows: Place) -> bool:
        """Whether the line after this one belongs to the same paragraph."""
        text = self._text
        if _ENTRY.match(text, *follows):
            return False
        if self._at_margin(line, follows):
            return True
        if not _NARROWEST_COLUMN <= self._usual <= _WIDEST_PAGE:
            return False
        if _ENDED.search(_tail(text, line)):
            return self._prose and self._full(line, follows) and _first(text, follows).isalpha()
        if _goes_on_inside(text, line, follows):
            return _width(text, line) >= _HALF * self._usual
        return self._full(line, follows) and self._prose and _has_letters(text, line)

    def continues(self, line: Place, follows: Place) -> bool:
        """Whether this block's last sentence goes on behind the blank line, which is then that of
        a page's end or of double spacing."""
        text = self._text
        if (
            not _NARROWEST_COLUMN <= _width(text, line) <= _WIDEST_PAGE
            or _ENTRY.match(text, *follows)
            or _ENDED.search(_tail(text, line))
            or text.count("\n", line[1], follows[0]) > 2
            or _HARD.search(text, line[1], follows[0])
        ):
            return False
        if _goes_on_inside(text, line, follows):
            return True
        return (
            self._lines >= _LEAST_LINES
            and self._prose
            and _has_no_case(_first(text, follows))
            and not _SCRIPTS_WITHOUT_ENDS.search(text, *line)
            and self._full(line, follows)
        )

    def _at_margin(self, line: Place, follows: Place) -> bool:
        """Whether the first word of the next line did not fit on this one."""
        in_range = _NARROWEST_MARGIN <= self._widest <= _WIDEST_MARGIN
        return in_range and self._with_next_word(line, follows) > self._widest

    def _full(self, line: Place, follows: Place) -> bool:
        """The same, where letters differ in width."""
        return self._with_next_word(line, follows) >= _NEARLY_FULL * self._usual

    def _with_next_word(self, line: Place, follows: Place) -> int:
        word = self._text[slice(*follows)].split(maxsplit=1)[0]
        # Lines of a script without spaces are broken anywhere.
        width = len(word) if len(word) < _NARROWEST_MARGIN else 1
        return _width(self._text, line) + 1 + width


def _goes_on_inside(text: str, line: Place, follows: Place) -> bool:
    """Whether the next line begins inside a sentence: in lower case, or behind a hyphen."""
    first = _first(text, follows)
    return first.islower() or (first.isalpha() and bool(_BROKEN_WORD.search(_tail(text, line))))


def _has_no_case(mark: str) -> bool:
    return mark.isalpha() and mark.lower() == mark.upper()


def _first(text: str, line: Place) -> str:
    return text[slice(*line)].lstrip()[:1]


def _tail(text: str, line: Place) -> str:
    return text[max(line[0], line[1] - 20) : line[1]].rstrip()


def _is_prose(text: str, block: Sequence[Place]) -> bool:
    """Whether a block reads on from line to line, as no list, table or address does."""
    signs = sum(
        1
        for line in block
        if _first(text, line).islower()
        or _SENTENCE.search(text, *line)
        or _SCRIPTS_WITHOUT_ENDS.search(text, *line)
    )
    return signs >= _PROSE * len(block)


def _has_letters(text: str, line: Place) -> bool:
    shown = "".join(text[slice(*line)].split())
    return sum(1 for mark in shown if mark.isalpha() or not mark.isascii()) >= (
        _LEAST_LETTERS * len(shown)
    )


def _width(text: str, line: Place) -> int:
    return len(text[slice(*line)].rstrip())


def _stripped(text: str, start: int, end: int) -> Place:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end

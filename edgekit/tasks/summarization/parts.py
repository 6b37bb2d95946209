"""Cuts a long text into parts that fit a model's window, at paragraphs and sentences. No model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgekit.data.sentences import spans
from edgekit.errors import ContextOverflow

Count = Callable[[str], int]
"""Counts the tokens of a text."""
# A part ends with a paragraph if one ends within this share of its even length.
_SLACK = 0.25


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the text; together, the parts are all of it except white space."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    tokens: int
    ends_paragraph: bool


def split(text: str, count: Count, *, window: int) -> list[Part]:
    """A few parts of similar length, each at most `window` tokens; none for a text without letters.

    Raises ContextOverflow if a single character takes more than the window.
    """
    pieces = list(_pieces(text, count, window))
    if not pieces:
        return []
    whole = Part(pieces[0].start, pieces[-1].end)
    if count(text[whole.start : whole.end]) <= window:
        return [whole]
    return [
        part for found in _packed(pieces, window) for part in _fitting(text, found, count, window)
    ]


def _pieces(text: str, count: Count, window: int) -> Iterator[_Piece]:
    """Sentences, cut further if they are longer than the window."""
    found = spans(text)
    for number, span in enumerate(found):
        last = number + 1 == len(found) or found[number + 1].paragraph != span.paragraph
        tokens = count(text[span.start : span.end])
        if tokens <= window:
            yield _Piece(span.start, span.end, tokens, last)
        else:
            for start, end in _halves(text, span.start, span.end, count, window):
                yield _Piece(start, end, count(text[start:end]), last and end == span.end)


def _halves(
    text: str, start: int, end: int, count: Count, window: int
) -> Iterator[tuple[int, int]]:
    if count(text[start:end]) <= window:
        yield start, end
        return
    if end - start < 2:
        raise ContextOverflow(
            f"A single character takes more than the {window} tokens that the model reads at once; "
            "use a model with a longer window."
        )
    middle = (start + end) // 2
    space = text.rfind(" ", start + 1, middle)
    cut = space + 1 if space > start + (middle - start) // 2 else middle
    yield from _halves(text, start, cut, count, window)
    yield from _halves(text, cut, end, count, window)


def _packed(pieces: list[_Piece], window: int) -> Iterator[list[_Piece]]:
    """As many pieces at a time as an even share holds, up to the end of a paragraph if possible."""
    left = sum(piece.tokens for piece in pieces)
    at = 0
    while at < len(pieces):
        share = left / math.ceil(left / window)
        taken, last = 0, at
        best: int | None = None
        while last < len(pieces) and taken + pieces[last].tokens <= window:
            taken += pieces[last].tokens
            last += 1
            if pieces[last - 1].ends_paragraph and taken >= (1 - _SLACK) * share:
                best = last
            if taken >= share and (best is not None or taken >= (1 + _SLACK) * share):
                break
        last = max(at + 1, best or last)
        yield pieces[at:last]
        left -= sum(piece.tokens for piece in pieces[at:last])
        at = last


def _fitting(text: str, pieces: list[_Piece], count: Count, window: int) -> Iterator[Part]:
    """Splits again what is too long: sentences may take a token or two more together than alone."""
    part = Part(pieces[0].start, pieces[-1].end)
    if len(pieces) == 1 or count(text[part.start : part.end]) <= window:
        yield part
        return
    middle = len(pieces) // 2
    yield from _fitting(text, pieces[:middle], count, window)
    yield from _fitting(text, pieces[middle:], count, window)

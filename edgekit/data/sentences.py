"""Cuts a text into sentences, in every script, in one pass. Knows no model.

The rules follow the spirit of Unicode's annex 29 (sentence boundaries), with what plain text needs
besides: lines broken at a margin belong together, a heading or list item ends with its line,
scripts without full stops (Thai, Lao) end sentences with a space, and a text without any of these
is cut at commas, spaces or letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

MOST_CHARACTERS = 600
"""Longer sentences are cut: they would fit neither a model's window nor a summary."""
_PIECE = 400
# Lines may have been broken at margins within this range; longer lines were not.
_WIDEST_MARGIN = 120
_NARROWEST_MARGIN = 40
# Thai does not mark the end of a sentence: spaces separate phrases, and this many letters make one.
_LEAST_SPACED = 60

_BLANK = re.compile(r"\n[^\S\n]*\n\s*|\f+|\x0b+|\u2029+")
_ENTRY = re.compile(r"\s*(?:[-*•‣◦–—·#]|\(?\d{1,3}[.)]|[A-Za-z][.)])\s")
_CLOSING = "\"'”’»›)\\]}」』）】》〉”"
# Marks that end a sentence without a following space; then those that need a space.
_END = re.compile(
    rf"[。！？｡．]+[{_CLOSING}]*|[।॥؟۔։።፧፨။៕᠃᱾]+[{_CLOSING}]*|[.!?…]+[{_CLOSING}]*(?=\s|$)"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'«„“])(?:[^\W\d_]|[^\W\d_](?:\.[^\W\d_])+"
    r"|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|vs|etc|cf|e\.g|i\.e|approx|fig|vol|pp|Sr|Sra|Srta|Dra|núm|pág|art"
    r"|bzw|ca|usw|vgl|Abs|Bd|Hrsg|evtl|ggf|inkl|MM|Mme|Mlle|env|ed|sig|dott|ing"
    r"|т|г|гг|ул|руб|тыс|млн|им|св|напр|tzn|tj|např|str|mgr|inż|nr|ul|wyd|al|dr)$",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(?:^|\s)\d{1,2}$")
_SPACED = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f]")
_CLAUSE = re.compile(r"[,;:،؛、，；：–—]\s*|\s+")


@dataclass(frozen=True, slots=True)
class Span:
    """A sentence's place in the text; only white space lies between two of them."""

    start: int
    end: int
    paragraph: int


def spans(text: str) -> list[Span]:
    """The sentences of a text in order; they cover all of it except white space."""
    found = []
    for number, (start, end) in enumerate(_paragraphs(text)):
        for first, last in _sentences(text, start, end):
            found += [Span(*piece, number) for piece in _pieces(text, first, last)]
    return found


def flat(text: str) -> str:
    """The text on one line with single spaces, or none where a line was broken between two
    characters of a script without spaces."""
    text = re.sub(
        "(?<=[\u3040-\u30ff\u3400-\u9fff，。、])[^\\S\n]*\n\\s*(?=[\u3040-\u9fff])", "", text
    )
    return " ".join(text.split())


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Runs of lines that belong together, without surrounding white space."""
    at = 0
    for gap in [*_BLANK.finditer(text), None]:
        end = len(text) if gap is None else gap.start()
        yield from _runs(text, at, end)
        at = len(text) if gap is None else gap.end()


def _runs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A block, cut after every line that was not broken at the margin."""
    lines = []
    at = start
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        if text[at:stop].strip():
            lines.append((at, stop))
        at = stop + 1
    margin = max((_width(text, *line) for line in lines), default=0)
    began = None
    for number, (first, last) in enumerate(lines):
        began = first if began is None else began
        follows = lines[number + 1] if number + 1 < len(lines) else None
        if follows is None or not _goes_on(text, (first, last), follows, margin):
            yield _stripped(text, began, last)
            began = None


def _goes_on(text: str, line: tuple[int, int], follows: tuple[int, int], margin: int) -> bool:
    """Whether a line was broken at the margin: the first word of the next one did not fit."""
    if not _NARROWEST_MARGIN <= margin <= _WIDEST_MARGIN or _ENTRY.match(text, *follows):
        return False
    word = text[slice(*follows)].split(maxsplit=1)[0]
    # Lines of a script without spaces are broken anywhere.
    width = len(word) if len(word) < _NARROWEST_MARGIN else 1
    return _width(text, *line) + 1 + width > margin


def _width(text: str, start: int, end: int) -> int:
    return len(text[start:end].rstrip())


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    began = start
    for mark in _END.finditer(text, start, end):
        if mark.end() < end and _is_end(text, began, mark.start(), mark.end(), end):
            yield from _spaced(text, began, mark.end())
            began = mark.end()
    yield from _spaced(text, began, end)


def _is_end(text: str, began: int, at: int, after: int, end: int) -> bool:
    if text[at] != ".":
        # "Yahoo! is": a sentence that goes on in lower case has not ended.
        return text[at] not in "!?…" or not _next_letter(text, after, end).islower()
    if at == began or _next_letter(text, after, end).islower():
        return False
    before = text[max(began, at - 12) : at]
    # "3. Install", "Der 3. Teil": a small number with a full stop is an ordinal.
    return after - at > 1 or not (_COUNTED.search(before) or _ABBREVIATION.search(before))


def _next_letter(text: str, at: int, end: int) -> str:
    """The first character after white space and opening quotes; empty at the end."""
    for index in range(at, min(end, at + 20)):
        if not text[index].isspace() and text[index] not in "\"'“«„‘([":
            return text[index]
    return ""


def _spaced(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cuts stretches of a script whose only sentence mark is the space."""
    start, end = _stripped(text, start, end)
    if end - start > 2 * _LEAST_SPACED and _is_spaced(text, start, end):
        at = start
        for gap in re.finditer(r"\s+", text[start:end]):
            if gap.start() + start - at >= _LEAST_SPACED and end - start - gap.end() >= (
                _LEAST_SPACED // 2
            ):
                yield at, start + gap.start()
                at = start + gap.end()
        start = at
    if start < end:
        yield start, end


def _is_spaced(text: str, start: int, end: int) -> bool:
    sample = text[start : min(end, start + 200)]
    return 2 * len(_SPACED.findall(sample)) > len(sample)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """A sentence, or pieces of it if it is too long."""
    while end - start > MOST_CHARACTERS:
        window = text[start + _PIECE // 2 : start + _PIECE]
        gaps = [start + _PIECE // 2 + gap.end() for gap in _CLAUSE.finditer(window)]
        clauses = [
            at for at in gaps if not text[at - 1].isspace() or text[at - 2] in ",;:،؛、，；："
        ]
        at = (clauses or gaps or [start + _PIECE])[-1]
        while unicodedata.combining(text[at]) and at < end - 1:
            at += 1
        yield _stripped(text, start, at)
        start, end = _stripped(text, at, end)
    yield start, end


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end

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

from edgekit.data.paragraphs import paragraphs

MOST_CHARACTERS = 600
"""Longer sentences are cut: they would fit neither a model's window nor a summary."""
_PIECE = 400
# Thai does not mark the end of a sentence: spaces separate phrases, and this many letters make one.
_LEAST_SPACED = 60

_CLOSING = "\"'”’»›)\\]}」』）】》〉”"
_FULL_WIDTH, _OF_SCRIPTS, _BEFORE_SPACE = "。！？｡．", "।॥؟۔։።፧፨။៕᠃᱾", ".!?…"
# Marks that end a sentence without a following space, and marks that need one. No run of them is
# tried twice, however long.
_END = re.compile(
    rf"[{_FULL_WIDTH}]+[{_CLOSING}]*|[{_OF_SCRIPTS}]+[{_CLOSING}]*"
    rf"|[{_BEFORE_SPACE}]++[{_CLOSING}]*+(?=\s|$)"
)
_MARK = re.compile(f"[{_FULL_WIDTH}{_OF_SCRIPTS}{_BEFORE_SPACE}]")
_RUN = re.compile(f"[{_BEFORE_SPACE}]+")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'«„“])(?:[^\W\d_]|[^\W\d_](?:\.[^\W\d_])+"
    r"|Mr|Mrs|Ms|Dr|Prof|St|No|Nr|vs|etc|cf|e\.g|i\.e|approx|fig|vol|pp|Sr|Sra|Srta|Dra|núm|pág|art"
    r"|bzw|ca|usw|vgl|Abs|Bd|Hrsg|evtl|ggf|inkl|MM|Mme|Mlle|env|ed|sig|dott|ing"
    r"|т|г|гг|ул|руб|тыс|млн|им|св|напр|tzn|tj|např|str|mgr|inż|nr|ul|wyd|al|dr)$",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(?:^|\s)\d{1,2}$")
_NUMBERED = re.compile(r"\d{1,3}(?:\.\d{1,3})+")
_LEADER = re.compile(r"\s+\.(?:\s|$)")
_SPACED = re.compile("[\u0e00-\u0eff\u1780-\u17ff\u1000-\u109f]")
_SOFT_HYPHEN = re.compile("\u00ad(?:[^\\S\n]*\n\\s*)?")
_HYPHEN_AT_END = re.compile(r"(?<=[^\W\d_][-‐])[^\S\n]*\n\s*(?=[^\W\d_])")
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
    for number, (start, end) in enumerate(paragraphs(text)):
        for first, last in _sentences(text, start, end):
            found += [Span(*piece, number) for piece in _pieces(text, first, last)]
    return found


def flat(text: str) -> str:
    """The text on one line with single spaces, or none where a line was broken between two
    characters of a script without spaces, or behind a hyphen."""
    text = _SOFT_HYPHEN.sub("", text)
    text = _HYPHEN_AT_END.sub("", text)
    text = re.sub(
        "(?<=[\u3040-\u30ff\u3400-\u9fff，。、])[^\\S\n]*\n\\s*(?=[\u3040-\u9fff])", "", text
    )
    return " ".join(text.split())


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    began = start
    for mark in _marks(text, start, end):
        if mark.end() < end and _is_end(text, began, mark.start(), mark.end(), end):
            yield from _spaced(text, began, mark.end())
            began = mark.end()
    yield from _spaced(text, began, end)


def _marks(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """The ends of sentences, as far as their marks tell. Match by match, and from mark to mark: one
    search through a whole book would hold the interpreter, and no other thread could draw."""
    at = start
    while first := _MARK.search(text, at, end):
        mark = _END.match(text, first.start(), end)
        if mark is None:
            run = _RUN.match(text, first.start(), end)
            at = run.end() if run else first.end()
        else:
            yield mark
            at = mark.end()


def _is_end(text: str, began: int, at: int, after: int, end: int) -> bool:
    sentence = text[began : min(at, began + _PIECE)].strip()
    if not sentence or sentence.endswith(".") or _LEADER.match(text, after, end):
        return False  # ". . . . 7", from a title to its page
    if text[at] != ".":
        # "Yahoo! is": a sentence that goes on in lower case has not ended.
        return text[at] not in "!?…" or not _next_letter(text, after, end).islower()
    if _next_letter(text, after, end).islower():
        return False
    before = text[max(began, at - 12) : at]
    # "3. Install", "2.2. Files", "Der 3. Teil": a small number with a full stop is an ordinal.
    return after - at > 1 or not (
        _COUNTED.search(before) or _NUMBERED.fullmatch(sentence) or _ABBREVIATION.search(before)
    )


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

"""Finds numbers and names in a summary that are not in its text. Knows no model and no language.

A generative model can make things up; numbers and names are where that harms most and can be
detected without understanding (Kryściński et al. 2020, arXiv 1910.12840, on summarizers' errors).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from edgekit.data.sentences import spans

_NUMBER = re.compile(r"\d+(?:[.,'’\u00a0\u202f\u066b\u066c ]?\d+)*")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# Languages inflect names: this many letters may differ at the end of a word.
_ENDING = 3
_STEM = 4


def unsupported(summary: str, source: str) -> tuple[str, ...]:
    """Numbers and names of the summary, as written there, that are nowhere in the source."""
    numbers = set(_numbers(source))
    strange = [found for found, value in _placed_numbers(summary) if value not in numbers]
    # Match by match: a whole book in one call would hold the GIL throughout.
    words = {match[0].casefold() for match in _WORD.finditer(source)}
    stems = {word[:length] for word in words for length in range(_STEM, len(word) + 1)}
    for name in _names(summary):
        folded = name.casefold()
        stem = folded[: max(_STEM, len(folded) - _ENDING)]
        if folded not in words and stem not in stems:
            strange.append(name)
    return tuple(dict.fromkeys(strange))


def _placed_numbers(text: str) -> Iterator[tuple[str, str]]:
    for match in _NUMBER.finditer(text):
        yield match[0], _value(match[0])


def _numbers(text: str) -> Iterator[str]:
    """Every number, and each part of one with separators in it."""
    for found, value in _placed_numbers(text):
        yield value
        yield from (_value(part) for part in re.findall(r"\d+", found))


def _value(number: str) -> str:
    """Its digits in ASCII: 1,000 and 1 000 and ١٠٠٠ are the same."""
    return "".join(str(unicodedata.decimal(mark)) for mark in number if mark.isdecimal())


def _names(text: str) -> Iterator[str]:
    """Capitalized words that do not begin a sentence, and words with a capital inside."""
    for span in spans(text):
        sentence = text[span.start : span.end]
        for number, word in enumerate(_WORD.findall(sentence)):
            capital = word[0].isupper() and number > 0
            inside = any(mark.isupper() for mark in word[1:])
            if (capital or inside) and len(word) > 1:
                yield word

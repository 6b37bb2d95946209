"""What counts as a word, in scripts with and without spaces between words. Knows no language."""

from __future__ import annotations

import re

# Scripts that are written without spaces: each character, with its combining marks, is a token.
# Han and kana; Thai, Lao, Khmer, Burmese, Tibetan.
_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MARKED = "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"
_WORD = re.compile(
    rf"[{_HAN}]"
    rf"|[{_MARKED}][\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ebc\u0ec8-\u0ecd\u0f71-\u0f84"
    r"\u102b-\u103e\u17b6-\u17d3]*"
    rf"|[^\W_{_HAN}{_MARKED}]+(?:[\u0300-\u036f\u0900-\u0dff\u200c\u200d]+[^\W_{_HAN}{_MARKED}]*)*"
)
_IS_HAN = re.compile(f"[{_HAN}]")
_IS_MARKED = re.compile(f"[{_MARKED}]")
# How much of a word one character is: a Chinese word has 1.6 characters, a Thai one 4.
_HAN_SHARE = 0.6
_MARKED_SHARE = 0.25


def any_in(text: str) -> bool:
    """Whether a text has a letter or a digit of any script."""
    return any(mark.isalnum() for mark in text)


def tokens(text: str) -> list[str]:
    """The words of a text, case-folded; in scripts without spaces its characters, with marks."""
    return _WORD.findall(text.casefold())


def count(text: str) -> int:
    """About how many words a reader would count."""
    han, marked = len(_IS_HAN.findall(text)), 0
    spaced = 0
    for token in _WORD.findall(text):
        if _IS_MARKED.match(token):
            marked += 1
        elif not _IS_HAN.match(token):
            spaced += 1
    return round(spaced + han * _HAN_SHARE + marked * _MARKED_SHARE)


def gap(before: str) -> str:
    """What goes between the sentence `before` and the next: nothing in scripts without spaces."""
    return "" if before in "。！？｡．」』）" and before else " "

"""A text's sentences and what stands between them, and their translations put together again.
Knows no model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgekit.data.sentences import flat, spans

_UNSPACED = frozenset({"ja", "km", "lo", "my", "th", "zh", "yue"})
"""Languages that set no space between sentences."""


@dataclass(frozen=True, slots=True)
class Sentence:
    gap: str
    """What stands before it: white space, with the text's own line breaks."""
    text: str
    """On one line."""

    @property
    def says(self) -> bool:
        """Whether there is anything to translate: a number or a rule is copied."""
        return any(mark.isalpha() for mark in self.text)


def cut(text: str) -> tuple[list[Sentence], str]:
    """The sentences in order, and the white space after the last."""
    found, at = [], 0
    for span in spans(text):
        found.append(Sentence(text[at : span.start], flat(text[span.start : span.end])))
        at = span.end
    return found, text[at:]


def joint(gap: str, target: str, *, first: bool) -> str:
    """What stands between two sentences of a translation: line breaks as in the text, and else a
    space where the language has one."""
    if first or "\n" in gap:
        return gap
    return "" if target.partition("-")[0] in _UNSPACED else gap or " "


def joined(pieces: Iterator[str], target: str) -> str:
    """The translations of a sentence's pieces."""
    return ("" if target.partition("-")[0] in _UNSPACED else " ").join(filter(None, pieces))

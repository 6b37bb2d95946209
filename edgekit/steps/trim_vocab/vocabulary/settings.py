"""The settings of `trim_vocab`. Light."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgekit.recipe.settings import Fraction, Settings


class TrimVocabSettings(Settings):
    """Special tokens, letters of the languages' scripts, digits, punctuation, ASCII and bytes are
    never removed. The recipe's training rows, `data.unlabeled` and each language's frequent words
    choose what is removed; texts that had no part in this judge it: `data.validation` and the
    Universal Declaration of Human Rights.
    """

    coverage: Annotated[float, Field(gt=0, le=1)] = 0.9999
    """Share of the running pieces of those texts that must stay, in each language."""
    size: Annotated[int, Field(ge=1)] | None = None
    """Pieces to keep at most; those whose loss costs the fewest tokens go, in all languages."""
    most_changed: Fraction | None = None
    """By how many of a language's validation texts tokens may change, as a share; each of them may
    change its answer. Where `size` takes more, all pieces that `coverage` asks for stay, and where
    these are too few, all there are."""
    keep: list[str] = Field(default_factory=list)
    """Pieces, words or characters that must stay whatever their frequency."""
    texts: list[str] = Field(default_factory=list)
    """Further files that choose: text files, one text a line, or tables with the column text."""
    most_tokens_rise: Annotated[float, Field(ge=0)] = 0.02
    """By how much tokens per word may rise in any language; 0.02 is 2 %."""
    most_unknown_rise: Fraction = 0.0005
    """By how much the share of unknown pieces may rise in any language; 0.0005 is 0.05 points."""

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self.texts)

    @property
    def reads_unlabeled(self) -> bool:
        return True

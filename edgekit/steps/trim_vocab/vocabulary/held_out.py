"""Chooses among vocabularies by how many held-out texts each would read otherwise. Cuts nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.data import inputs
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary
from edgekit.steps.trim_vocab.vocabulary.proof import Text

NO_SHARE = ("", 0.0)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The pieces of each held-out text, by language, and how many texts may lose one."""

    pieces: Mapping[str, Sequence[frozenset[int]]]
    most_changed: float

    def most(self, kept: set[int]) -> tuple[str, float]:
        """The language of which the largest share of texts loses a piece, and that share."""
        shares = (
            (name, sum(not text <= kept for text in texts) / len(texts))
            for name, texts in self.pieces.items()
            if texts
        )
        return max(shares, key=lambda one: one[1], default=NO_SHARE)

    def smallest(self, tried: Sequence[set[int]]) -> tuple[set[int], list[str]]:
        """The first of the vocabularies that keeps to the bound, else the last; and of each one
        before it, why it is not taken."""
        notes: list[str] = []
        for kept in tried[:-1]:
            language, share = self.most(kept)
            if share <= self.most_changed:
                return kept, notes
            notes.append(
                f"with {len(kept):,} pieces {share:.0%} of the validation texts in {language} "
                f"would be read otherwise, and most_changed is {self.most_changed:.0%}: more stay"
            )
        return tried[-1], notes


def of(
    vocabulary: Vocabulary, texts: Mapping[str, Iterable[Text]], *, prefix: str, most_changed: float
) -> HeldOut:
    """Those among the texts that are held out, cut into pieces."""
    return HeldOut(
        {
            name: [_pieces(vocabulary, text, prefix) for text in found if text.held_out]
            for name, found in texts.items()
        },
        most_changed,
    )


def _pieces(vocabulary: Vocabulary, text: Text, prefix: str) -> frozenset[int]:
    first, *second = inputs.texts(text.input)
    tokenizer: Any = vocabulary.tokenizer
    return frozenset(tokenizer.encode(prefix + first, *second, add_special_tokens=False).ids)

"""Compares an old and a trimmed tokenizer on texts that had no part in the choice. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

from edgekit.data import inputs
from edgekit.data.inputs import Input
from edgekit.errors import StepError
from edgekit.steps.trim_vocab.vocabulary import languages
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary

SHOWN = 60

Proof = Callable[[], Mapping[str, Mapping[str, Any]] | None]
"""By language, both models' answers to some texts; None where there is too little memory."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that judges."""

    text: str
    held_out: bool
    """A validation row; otherwise a paragraph of the Declaration."""
    rendered: bool = False
    """Rendered by a chat template, with all the special tokens that it wants."""
    first: str | None = None
    """The first text of a pair, whose second is `text`."""

    @property
    def input(self) -> Input:
        """What a model is given."""
        return self.text if self.first is None else (self.first, self.text)


@dataclass(slots=True)
class Compared:
    """One language's texts through both tokenizers."""

    language: str
    units: int = 0
    """Words, or characters in scripts written without spaces."""
    before: int = 0
    after: int = 0
    """Tokens."""
    unknown_before: int = 0
    unknown_after: int = 0
    same: list[Text] = field(default_factory=list)
    changed: list[Text] = field(default_factory=list)

    @property
    def tokens_rise(self) -> float:
        return self.after / self.before - 1 if self.before else 0.0

    @property
    def unknown_rise(self) -> float:
        """How much the share of unknown tokens has grown."""
        if not self.before:
            return 0.0
        return self.unknown_after / self.after - self.unknown_before / self.before

    def as_json(self) -> dict[str, Any]:
        unit = "character" if languages.is_unspaced(self.language) else "word"
        texts = len(self.same) + len(self.changed)
        return {
            "texts": texts,
            "changed": round(len(self.changed) / max(1, texts), 5),
            f"tokens_per_{unit}": {
                "before": round(self.before / max(1, self.units), 4),
                "after": round(self.after / max(1, self.units), 4),
            },
            "unknown": {
                "before": round(self.unknown_before / max(1, self.before), 6),
                "after": round(self.unknown_after / max(1, self.after), 6),
            },
        }


@dataclass(frozen=True)
class Tokenizers:
    """The old vocabulary, the trimmed tokenizer, and the new id of each old one that was kept."""

    vocabulary: Vocabulary
    trimmed: Tokenizer
    new: Mapping[int, int]
    prefix: str

    def compare(self, language: str, texts: Sequence[Text]) -> Compared:
        """Raises StepError for a text whose tokens were all kept but come out differently."""
        found = Compared(language)
        old = self.vocabulary.tokenizer
        # The prefix and the special tokens take the same on both sides.
        fixed = len(old.encode(self.prefix).ids)
        fixed_of_pair = len(old.encode(self.prefix, "").ids)
        unknown = self.vocabulary.unknown
        for text in texts:
            before, after = self.ids(text)
            expected = [self.new.get(number) for number in before]
            if after == expected:
                found.same.append(text)
            else:
                self._check(language, inputs.shown(text.input), before)
                found.changed.append(text)
            found.units += sum(units(one, language) for one in inputs.texts(text.input))
            special = 0 if text.rendered else fixed if text.first is None else fixed_of_pair
            found.before += len(before) - special
            found.after += len(after) - special
            if unknown is not None:
                found.unknown_before += before.count(unknown)
                found.unknown_after += after.count(self.new[unknown])
        return found

    def ids(self, text: Text) -> tuple[list[int], list[int]]:
        """The token ids before and after."""
        first, *second = inputs.texts(text.input)
        told = (self.prefix + first, *second)
        whole = not text.rendered
        both: tuple[Any, ...] = (self.vocabulary.tokenizer, self.trimmed)
        before, after = (one.encode(*told, add_special_tokens=whole).ids for one in both)
        return before, after

    def _check(self, language: str, text: str, before: Sequence[int]) -> None:
        if any(number not in self.new for number in before):
            return
        if self.vocabulary.kind == "WordPiece" and self.vocabulary.unknown in before:
            return  # a word that had no split now has one, in pieces that longer ones hid
        raise StepError(
            f"trim_vocab: the tokens of a text in '{language}' were all kept, and the trimmed "
            f"tokenizer gives others ('{text[:SHOWN]}'); the step would change answers silently. "
            "Leave it out, and tell edgekit's authors which tokenizer this is."
        )


def check_bounds(
    found: Sequence[Compared], *, most_tokens_rise: float, most_unknown_rise: float, pieces: int
) -> None:
    """Raises StepError with the numbers of every language that breaks a bound."""
    longer = [one for one in found if one.tokens_rise > most_tokens_rise]
    if longer:
        raise StepError(
            f"trim_vocab: with {pieces:,} pieces, texts that took no part in the choice take more "
            f"tokens than most_tokens_rise allows ({most_tokens_rise:.1%}): "
            f"{_rises(longer, 'tokens_rise', '.1%')}; raise size or coverage, or most_tokens_rise "
            "if so much is bearable."
        )
    stranger = [one for one in found if one.unknown_rise > most_unknown_rise]
    if stranger:
        raise StepError(
            f"trim_vocab: with {pieces:,} pieces, more of the texts that took no part in the "
            f"choice is unknown than most_unknown_rise allows ({most_unknown_rise:.2%}): "
            f"{_rises(stranger, 'unknown_rise', '.2%')}; name the missing letters in keep, or "
            "raise size or coverage."
        )


def _rises(found: Sequence[Compared], name: str, form: str) -> str:
    worst = sorted(found, key=lambda one: -float(getattr(one, name)))
    return ", ".join(f"{one.language} {getattr(one, name):+{form}}" for one in worst)


def units(text: str, language: str) -> int:
    """Counts words, or characters in scripts written without spaces."""
    if languages.is_unspaced(language):
        return sum(not letter.isspace() for letter in text)
    return len(text.split())

"""The words that decide which pieces stay: the recipe's own and a language's frequent ones.

What judges the choice, held-out rows and the Universal Declaration, never enters here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import regex

from edgekit.steps.trim_vocab.vocabulary import languages
from edgekit.steps.trim_vocab.vocabulary.languages import Reach
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary

# Stands before words without a space before them, so that they do not read as the start of a text.
INSIDE = "、"
OWN, LIST, SCORES = "the recipe's texts", "wordfreq", "the tokenizer's own frequencies"


@dataclass(frozen=True, slots=True)
class Source:
    """Weighted words of one language from one place."""

    name: str
    words: Mapping[str, float]


def own_words(texts: Iterable[str]) -> dict[str, float]:
    """Words as they appear in the texts: after a space, the first of each text without one."""
    counts: Counter[str] = Counter()
    for text in texts:
        first, *others = text.split() or [""]
        counts[first] += 1
        counts.update(" " + word for word in others)
    del counts[""]
    return {word: float(count) for word, count in counts.items()}


def general(vocabulary: Vocabulary, language: str, reach: Reach) -> list[Source]:
    """What is known of a language besides the recipe's texts.

    A word list where there is one; pieces of the language's scripts, as frequent as the tokenizer
    knows them to be, where there is none, or where words say little about which letters meet.
    """
    listed = languages.words(language, reach)
    if languages.is_unspaced(language):
        listed = {INSIDE + word: share for word, share in listed.items()}
    found = [Source(LIST, listed)] if listed else []
    if not listed or (languages.is_unspaced(language) and vocabulary.scores):
        found.append(Source(SCORES, _by_score(vocabulary, language)))
    return [source for source in found if source.words]


def _by_score(vocabulary: Vocabulary, language: str) -> dict[str, float]:
    """Pieces of a language's scripts with Unigram's probabilities; other kinds of tokenizers number
    their pieces by frequency, which falls roughly as one over the rank (Zipf's law).
    """
    script = languages.letters(languages.scripts(language))
    pattern = regex.compile(rf" ?[{script}][{script}\p{{M}}]*")
    found: dict[str, float] = {}
    for number in sorted(vocabulary.tokens):
        text = vocabulary.spells(number)
        if text is None or not pattern.fullmatch(text):
            continue
        score = vocabulary.scores.get(number)
        share = 1.0 / (len(found) + 10) if score is None else math.exp(score)
        text = text if text[0] == " " else INSIDE + text
        found[text] = found.get(text, 0.0) + share
    return found

"""Chooses the pieces to keep, so that no language fares much worse than another.

Two ways: as many pieces as each language needs to keep a share of its running pieces (`coverage`),
or the best `size` pieces. The second drops pieces in rounds, as the Unigram trainer does (Kudo
2018, arXiv 1804.10959): a piece costs how often it occurs times the tokens that its letters take
without it; after each round the words that lost a piece are counted again, and languages that have
lost more weigh more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from edgekit.steps.trim_vocab.vocabulary.counting import Counted, without
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary
from edgekit.steps.trim_vocab.vocabulary.sources import INSIDE

# Share of the pieces kept in a round whose cost is guessed from their counts alone.
SURE = 0.75
ROUND = 0.8
MOST_WEIGHT = 4.0

Words = Mapping[str, Sequence[Sequence[Counted]]]
"""For each language the kinds of words that weigh equally: the recipe's own, and frequent ones,
each from one or several places."""
OnProgress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """A vocabulary, the words of each language, and the pieces that always stay."""

    vocabulary: Vocabulary
    words: Words
    required: frozenset[int]
    candidates: frozenset[int]


def by_coverage(choice: Choice, coverage: float) -> set[int]:
    """The required pieces, and in each language the most frequent ones that make up `coverage` of
    its running pieces.
    """
    kept = set(choice.required)
    for kinds in choice.words.values():
        shares = _mixed(kinds)
        total = shares.sum()
        order = np.argsort(-shares, kind="stable")
        before = np.cumsum(shares[order]) - shares[order]
        kept.update(order[(before < coverage * total) & (shares[order] > 0)].tolist())
    return choice.vocabulary.closed(kept)


def by_size(choice: Choice, size: int, on_progress: OnProgress) -> set[int]:
    """At most `size` pieces, including all required ones; updates the words of `choice`."""
    used = {
        int(number) for kinds in choice.words.values() for number in np.flatnonzero(_mixed(kinds))
    }
    start = choice.vocabulary.closed(choice.required | used)
    kept = choice.vocabulary.closed(choice.required | choice.candidates | used)
    rounds = max(1, math.ceil(math.log(max(1.0, len(start) / size)) / -math.log(ROUND)))
    for number in range(rounds + 1):
        # The first round drops what no word uses, except pieces that others may split into.
        target = round(len(start) * (size / len(start)) ** (number / rounds))
        if target < len(kept):
            kept = _lose(choice, kept, max(size, target))
        on_progress((number + 1) / (rounds + 1))
    return kept


def _mixed(kinds: Sequence[Sequence[Counted]]) -> np.ndarray:
    """Occurrences per original token, the mean over kinds of words and their places."""
    means = [sum(place.counts() for place in places) / len(places) for places in kinds]
    return np.asarray(sum(means) / len(means))


def _lose(choice: Choice, kept: set[int], size: int) -> set[int]:
    """The `size` pieces of `kept` that would cost the most to lose, with all their parts."""
    counts = {language: _mixed(kinds) for language, kinds in choice.words.items()}
    weights = _weights({language: float(found.sum()) for language, found in counts.items()})
    total = np.sum([weights[language] * found for language, found in counts.items()], axis=0)
    order = _order(choice, np.array(sorted(kept - choice.required)), total, size)
    chosen = set(choice.required)
    for number in order:
        new = {number, *choice.vocabulary.ancestors(number)} - chosen
        if len(chosen) + len(new) <= size:
            chosen |= new
    tokenizer, old_ids = without(choice.vocabulary, chosen)
    for kinds in choice.words.values():
        for places in kinds:
            for place in places:
                place.lose(tokenizer, old_ids)
    return chosen


def _weights(lengths: Mapping[str, float]) -> dict[str, float]:
    """Weights by how much longer each language's texts have become, relative to the mean."""
    rises = {language: max(1e-3, length - 1) for language, length in lengths.items()}
    mean = sum(rises.values()) / len(rises)
    return {
        language: min(MOST_WEIGHT, max(1 / MOST_WEIGHT, math.sqrt(rise / mean)))
        for language, rise in rises.items()
    }


def _order(choice: Choice, ids: np.ndarray, counts: np.ndarray, size: int) -> list[int]:
    """The ids, the costliest to lose first."""
    scores = np.array([choice.vocabulary.scores.get(int(one), -float(one)) for one in ids])
    order = ids[np.lexsort((-scores, -counts[ids]))]
    sure = max(1, round(SURE * (size - len(choice.required))))
    tokenizer, _ = without(
        choice.vocabulary, choice.vocabulary.closed({*choice.required, *order[:sure].tolist()})
    )
    rest = order[sure:]
    costs = counts[rest] * _extra_tokens(choice.vocabulary, tokenizer, rest)
    return [*order[:sure].tolist(), *rest[np.argsort(-costs, kind="stable")].tolist()]


def _extra_tokens(vocabulary: Vocabulary, tokenizer: Tokenizer, ids: np.ndarray) -> np.ndarray:
    """How many more tokens the letters of each piece take in a tokenizer that lacks it."""
    marks = len(tokenizer.encode(INSIDE, add_special_tokens=False).ids)
    texts = [vocabulary.spells(int(one)) or " " for one in ids]
    inside = [text[0] != " " for text in texts]
    found = tokenizer.encode_batch_fast(
        [INSIDE + text if within else text for text, within in zip(texts, inside, strict=True)],
        add_special_tokens=False,
    )
    return np.array(
        [
            max(1, len(one.ids) - marks * within - 1)
            for one, within in zip(found, inside, strict=True)
        ]
    )

"""Finds the sentences of a text that those of a summary rest on. Knows no model and no language.

Two sentences are closer the more words they share, and the rarer these are in the text (inverse
document frequency: Spärck Jones 1972). A sentence that shares too little with the text rests on
nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from edgekit.data import words as counting
from edgekit.data.sentences import Span, flat
from edgekit.tasks.summarization.summary import Sentence

MOST_SPANS = 3
"""A written sentence may combine several of the text."""
# Shares of a sentence's words, by weight, that the first span must cover and each further one add.
_LEAST_SHARE, _LEAST_GAIN = 0.35, 0.2


def attribute(
    sentences: Sequence[Sentence], text: str, found: Sequence[Span]
) -> list[tuple[Span, ...]]:
    """For each sentence, those of the text that it rests on, closest first; empty if there is none.

    `found` are the text's sentences. A sentence that was taken from the text rests on itself.
    """
    starts = {span.start: span for span in found}
    asked = [
        frozenset() if one.start in starts else frozenset(counting.tokens(one.text))
        for one in sentences
    ]
    wanted = frozenset().union(*asked)
    shared = [_words(text, span) & wanted for span in found] if wanted else []
    counts = Counter(word for words in shared for word in words)
    weights = {word: math.log1p(len(found) / (1 + counts[word])) for word in wanted}
    return [
        (starts[one.start],)
        if one.start in starts
        else tuple(found[at] for at in _closest(words, shared, weights))
        for one, words in zip(sentences, asked, strict=True)
    ]


def _words(text: str, span: Span) -> frozenset[str]:
    return frozenset(counting.tokens(flat(text[span.start : span.end])))


def _closest(
    words: frozenset[str], shared: Sequence[frozenset[str]], weights: dict[str, float]
) -> list[int]:
    """Indexes of the sentences that together cover most of these words, chosen greedily."""
    left, chosen = words, list[int]()
    whole = sum(weights[word] for word in words)
    while left and len(chosen) < MOST_SPANS:
        gains = [sum(weights[word] for word in left & there) for there in shared]
        best = max(range(len(gains)), key=gains.__getitem__, default=None)
        least = _LEAST_GAIN if chosen else _LEAST_SHARE
        if best is None or gains[best] < least * whole:
            break
        chosen.append(best)
        left -= shared[best]
    return chosen

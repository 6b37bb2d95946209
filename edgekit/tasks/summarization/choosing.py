"""Chooses the sentences of a text that make its summary, from their vectors. Knows no model."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from edgekit.data import words as counting

# The weight of centrality against similarity to what was chosen.
RELEVANCE = 0.7
# How much longer than asked a summary may be, if a sentence would otherwise be left out.
_SLACK = 1.1
EARLINESS = 1.0
"""What the first sentence is worth for its place alone, if the most central one is worth 1."""
_LEAST_WORDS = 6
_ENDS = re.compile(r"[.!?…。！？．।॥؟۔።។၊။][\"'”’»›)\]」』）]*$")
_OPENING = " \t\"'“«„‘([…"
_SCRIPTS_WITHOUT_ENDS = re.compile("[\u0e00-\u0eff]")
_LETTERS = re.compile(r"[^\W\d_]")
_LEAST_LETTERS = 0.55
# A sentence that says almost the same as a chosen one adds nothing.
_SAME = 0.98


def choose(sentences: Sequence[str], vectors: np.ndarray, *, words: int) -> list[int]:
    """Indexes of the chosen sentences, in order; about `words` words, and at least one sentence.

    `vectors` has shape (sentences, width). Returns all sentences of a text no longer than asked.
    """
    lengths = [counting.count(sentence) for sentence in sentences]
    if sum(lengths) <= words:
        return list(range(len(sentences)))
    candidates = _candidates(sentences, lengths)
    units = _units(vectors)
    central = _scaled(_centrality(units))
    # Texts tend to begin with what is important (Edmundson 1969, on the position of sentences).
    central[candidates] += EARLINESS / (1 + np.arange(len(candidates)))
    return sorted(_picked(candidates, units, central, lengths, words))


def _candidates(sentences: Sequence[str], lengths: Sequence[int]) -> np.ndarray:
    """Sentences that suit a summary: no headings, lines of tables or listings, addresses or pieces
    of sentences, unless there is nothing else.

    What begins in lower case is the rest of a sentence, unless the whole text is written so."""
    good = [
        number
        for number, sentence in enumerate(sentences)
        if lengths[number] >= _LEAST_WORDS
        and (_ENDS.search(sentence) or _SCRIPTS_WITHOUT_ENDS.search(sentence))
        and len(_LETTERS.findall(sentence)) >= _LEAST_LETTERS * len(sentence.replace(" ", ""))
    ]
    whole = [number for number in good if not _begins_inside(sentences[number])]
    return np.array(whole or good or range(len(sentences)))


def _begins_inside(sentence: str) -> bool:
    start = sentence.lstrip(_OPENING)[:2]
    return start.islower()  # not "iPhones", nor a letter of a script without cases


def _units(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


def _centrality(units: np.ndarray) -> np.ndarray:
    """For each sentence, the mean of its cosines with all, in linear time."""
    return np.asarray(units @ units.mean(axis=0))


def _scaled(values: np.ndarray) -> np.ndarray:
    low, high = values.min(), values.max()
    return (values - low) / max(float(high - low), 1e-12)


def _picked(
    candidates: np.ndarray,
    units: np.ndarray,
    central: np.ndarray,
    lengths: Sequence[int],
    words: int,
) -> list[int]:
    """Picks the best sentence that still fits, again and again."""
    left = float(words)
    length = np.array(lengths)[candidates]
    likeness = np.full(len(candidates), -1.0)
    open_ = np.ones(len(candidates), dtype=bool)
    mean = float(central.mean())
    picked: list[int] = []
    while True:
        fits = open_ & (length <= left + (_SLACK - 1) * words)
        if not fits.any():
            break
        penalty = np.maximum(likeness, 0) if picked else 0.0
        score = RELEVANCE * central[candidates] - (1 - RELEVANCE) * penalty
        best = int(np.where(fits, score, -np.inf).argmax())
        picked.append(int(candidates[best]))
        open_[best] = False
        left -= length[best]
        similar = units[candidates] @ units[candidates[best]]
        open_ &= similar < _SAME
        likeness = np.maximum(likeness, similar)
        if left <= 0:
            break
    # Every sentence is longer than asked: the most central one has to do.
    return picked or [int(candidates[int((central[candidates] - mean).argmax())])]

"""Scores of summaries against references, row by row, in every script. Runs no model.

ROUGE (Lin 2004) by Google's rouge-score, whose own tokenizer is for English: here words are those
of data/words.py, without stemming. chrF (Popović 2015) by sacrebleu, on characters and so the same
for every language.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.chrf import CHRF

from edgekit.data import words
from edgekit.data.sentences import flat, spans
from edgekit.tasks.summarization.checking import unsupported

METRICS = ("rouge1", "rouge2", "rougeLsum", "chrf")
_PERCENT = 100


class _Words:
    """A tokenizer for rouge-score."""

    @staticmethod
    def tokenize(text: str) -> list[str]:
        return words.tokens(text)


@dataclass(frozen=True, slots=True)
class Scored:
    """Arrays of shape (rows,): the four metrics from 0 to 1, and warning signs."""

    metrics: dict[str, np.ndarray]
    length_ratio: np.ndarray
    """Words of the summary over words of the reference."""
    new_pairs: np.ndarray
    """Share of the summary's word pairs that are not in the text."""
    repetition: np.ndarray
    """Share of its word pairs that it has used before."""
    unsupported: np.ndarray
    """1 if it has a number or a name that is not in the text."""

    def means(self, places: np.ndarray) -> dict[str, Any]:
        return {
            **{name: float(values[places].mean()) for name, values in self.metrics.items()},
            "length_ratio": float(self.length_ratio[places].mean()),
            "new_pairs": float(self.new_pairs[places].mean()),
            "repetition": float(self.repetition[places].mean()),
            "unsupported": float(self.unsupported[places].mean()),
        }


def score(
    texts: Sequence[str],
    references: Sequence[str],
    summaries: Sequence[str],
    *,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Scored:
    """Scores each summary against its reference and its text."""
    rouge = RougeScorer(["rouge1", "rouge2", "rougeLsum"], tokenizer=_Words())
    chrf = CHRF()
    metrics: dict[str, list[float]] = {name: [] for name in METRICS}
    signs: list[tuple[float, float, float, float]] = []
    for text, reference, summary in zip(texts, references, summaries, strict=True):
        found = rouge.score(_lines(reference), _lines(summary))
        for name in METRICS[:3]:
            metrics[name].append(found[name].fmeasure)
        metrics["chrf"].append(chrf.sentence_score(summary, [reference]).score / _PERCENT)
        signs.append(_signs(text, reference, summary))
        on_progress(len(signs) / len(texts))
    columns = np.array(signs, dtype=np.float64).reshape(-1, 4).T
    return Scored({name: np.array(values) for name, values in metrics.items()}, *columns)


def agreement(one: Sequence[str], other: Sequence[str]) -> np.ndarray:
    """ROUGE-Lsum of each pair of summaries: how similarly two models write; shape (rows,)."""
    rouge = RougeScorer(["rougeLsum"], tokenizer=_Words())
    pairs = zip(one, other, strict=True)
    found = [rouge.score(_lines(a), _lines(b))["rougeLsum"].fmeasure for a, b in pairs]
    return np.array(found)


def lead(text: str, like: str) -> str:
    """The text's beginning, as long as the summary `like`: it costs nothing and is hard to beat."""
    left, end = max(1, words.count(like)), 0
    for span in spans(text):
        if left <= 0:
            break
        length = words.count(text[span.start : span.end])
        end = span.end if length <= left else _cut(text, span.start, left)
        left -= length
    return flat(text[:end])


def _cut(text: str, start: int, count: int) -> int:
    """Where `count` words from `start` end."""
    low, high = start, len(text)
    while low < high:
        middle = (low + high) // 2
        if words.count(text[start:middle]) < count:
            low = middle + 1
        else:
            high = middle
    # To the end of the last word.
    while low < len(text) and text[low].isalnum() and text[low].isascii():
        low += 1
    return low


def _lines(text: str) -> str:
    """One sentence a line, as ROUGE-Lsum expects."""
    return "\n".join(flat(text[span.start : span.end]) for span in spans(text))


def _signs(text: str, reference: str, summary: str) -> tuple[float, float, float, float]:
    said, source = words.tokens(summary), words.tokens(text)
    pairs, known = list(pairwise(said)), set(pairwise(source))
    count = max(1, len(pairs))
    return (
        words.count(summary) / max(1, words.count(reference)),
        sum(pair not in known for pair in pairs) / count,
        (len(pairs) - len(set(pairs))) / count,
        float(bool(unsupported(summary, text))),
    )

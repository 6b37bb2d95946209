"""Searches for the likeliest summary: greedily or with beams. Knows no texts and no engine.

Answers equal those of Hugging Face's `generate` (transformers 4.57) token by token, including its
own variant of beam search: no paper settles how finished beams compete with open ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgekit.runtime.numerics import log_softmax
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.seq2seq.scores import Change, changes

LOST = np.float32(-1.0e9)
"""Score of beams that cannot win: transformers' number, since rounding depends on it."""
OnPieces = Callable[[Sequence[int]], None]
"""Called after each step with the tokens that will not change any more, if any. What it raises ends
the search."""


class Next(Protocol):
    def next(self, pieces: Sequence[int], order: Sequence[int]) -> np.ndarray:
        """Logits of shape (beams, vocabulary) after one more token for each beam."""


def search(
    reading: Next,
    source: Sequence[int],
    settings: Generation,
    *,
    on_pieces: OnPieces,
) -> list[int]:
    """The tokens of a summary, without the start token; with the end token, if there is one."""
    found = _greedy if settings.num_beams == 1 else _beams
    return found(reading, settings, changes(settings, source), on_pieces)


def _greedy(
    reading: Next,
    settings: Generation,
    rules: Sequence[Change],
    on_pieces: OnPieces,
) -> list[int]:
    written = [settings.decoder_start_token_id]
    while len(written) < settings.max_length:
        scores = reading.next(written[-1:], [0]).astype(np.float32)
        for rule in rules:
            scores = rule(np.array([written]), scores)
        written.append(int(scores[0].argmax()))
        on_pieces(written[-1:])
        if written[-1] in settings.eos_token_ids:
            break
    return written[1:]


@dataclass(slots=True)
class _Finished:
    """The best finished summaries, best first; padded with empty ones."""

    pieces: list[list[int]]
    scores: np.ndarray
    ended: np.ndarray

    def add(self, pieces: list[list[int]], scores: np.ndarray, ended: np.ndarray) -> None:
        """Takes the new ones that are better than the worst here."""
        all_pieces = self.pieces + pieces
        all_scores = np.concatenate((self.scores, scores))
        all_ended = np.concatenate((self.ended, ended))
        best = _best(all_scores, len(self.pieces))
        self.pieces = [all_pieces[number] for number in best]
        self.scores, self.ended = all_scores[best], all_ended[best]


def _beams(
    reading: Next,
    settings: Generation,
    rules: Sequence[Change],
    on_pieces: OnPieces,
) -> list[int]:
    beams = settings.num_beams
    kept = max(2, 1 + len(settings.eos_token_ids)) * beams
    finished = _Finished(
        [[] for _ in range(beams)], np.full(beams, LOST), np.zeros(beams, dtype=bool)
    )
    # At first all beams are the same, so only one is run; the others cannot win against it.
    written = np.full((beams, 1), settings.decoder_start_token_id)
    scores = np.array([0] + [LOST] * (beams - 1), np.float32)
    order: list[int] = []
    told, can_improve = 0, True
    while True:
        length = written.shape[1]
        if length == 1:
            first = log_softmax(reading.next(written[:1, -1].tolist(), [0]))
            likely = np.repeat(first, beams, axis=0)
        else:
            likely = log_softmax(reading.next(written[:, -1].tolist(), order))
        for rule in rules:
            likely = rule(written, likely)
        total = (likely + scores[:, None]).reshape(-1)
        best = _best(total, kept)
        rows, pieces = np.divmod(best, likely.shape[1])
        found = np.concatenate((written[rows], pieces[:, None]), axis=1)
        ends = np.isin(pieces, settings.eos_token_ids) | (length + 1 >= settings.max_length)
        # The summaries that ended in this step, among the first beams only.
        ended = ends & (np.arange(len(best)) < beams)
        lengths = np.float32(length**settings.length_penalty)
        final = (total[best] / lengths).astype(np.float32)
        full = settings.early_stopping is True and bool(finished.ended.all())
        final += LOST * full + LOST * (not can_improve) + LOST * ~ended
        finished.add(found[:, 1:].tolist(), final.astype(np.float32), ended)
        # The beams that continue.
        open_scores = total[best] + LOST * ends
        going = _best(open_scores, beams)
        written, scores = found[going], open_scores[going].astype(np.float32)
        order = [0] * beams if length == 1 else rows[going].tolist()
        can_improve = can_improve and _can_improve(settings, scores, finished, length)
        open_left = not (settings.early_stopping is True and finished.ended.all())
        if not (can_improve and open_left and not ends.all()):
            break
        told = _tell_common(written[:, 1:], told, finished, on_pieces)
    result = finished.pieces[0]
    on_pieces(result[told:])
    return result


def _can_improve(
    settings: Generation, scores: np.ndarray, finished: _Finished, length: int
) -> bool:
    """Whether the best open beam may still become better than the worst finished one.

    `length` is that of the current summaries, without the start token.
    """
    longest = length
    if settings.early_stopping == "never" and settings.length_penalty > 0:
        longest = settings.max_length - 1
    best = scores[0] / np.float32(longest**settings.length_penalty)
    worst = np.where(finished.ended, finished.scores.min(), LOST)
    return bool((best > worst).any())


def _tell_common(written: np.ndarray, told: int, finished: _Finished, on_pieces: OnPieces) -> int:
    """Reports what all beams that can still win share; returns how many tokens were reported."""
    candidates = [*written.tolist()] + [
        pieces for pieces, ended in zip(finished.pieces, finished.ended, strict=True) if ended
    ]
    shortest = min(map(len, candidates))
    common = told
    while common < shortest and len({one[common] for one in candidates}) == 1:
        common += 1
    on_pieces(candidates[0][told:common])
    return common


def _best(scores: np.ndarray, count: int) -> np.ndarray:
    """Indexes of the highest scores, highest first; ties in their order."""
    if count < len(scores):
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        candidates = np.flatnonzero(scores >= least)
    else:
        candidates = np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]

"""What the settings forbid, force and dampen in the scores of the next token. Chooses nothing.

The order is that of transformers' `_get_logits_processor`; equal answers depend on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from edgekit.runtime.seq2seq.generation import Generation

Change = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(tokens so far, of shape (beams, length); scores, of shape (beams, vocabulary)) to scores, in
place or new."""
NEVER = -np.inf


def changes(settings: Generation, source: Sequence[int]) -> tuple[Change, ...]:
    """The changes that the settings ask for; `source` are the tokens of the text to summarize."""
    ends = list(settings.eos_token_ids)
    found: list[Change] = []
    if settings.repetition_penalty != 1.0:
        found.append(_dampen(settings.repetition_penalty))
    if settings.no_repeat_ngram_size > 0:
        found.append(_no_ngram_again(settings.no_repeat_ngram_size))
    if settings.encoder_no_repeat_ngram_size > 0:
        found.append(_no_ngram_of(source, settings.encoder_no_repeat_ngram_size))
    words = [word for word in settings.bad_words_ids if word not in [(end,) for end in ends]]
    if words:
        found.append(_no_words(words))
    if settings.min_length > 0:
        found.append(_not_before(settings.min_length, ends))
    if settings.forced_bos_token_id is not None:
        found.append(_forced_at(1, [settings.forced_bos_token_id]))
    if settings.forced_eos_token_ids:
        found.append(_forced_at(settings.max_length - 1, list(settings.forced_eos_token_ids)))
    if settings.suppress_tokens:
        found.append(_never(list(settings.suppress_tokens)))
    if settings.begin_suppress_tokens:
        begin = 1 if settings.forced_bos_token_id is None else 2
        found.append(_never(list(settings.begin_suppress_tokens), at=begin))
    return tuple(found)


def _dampen(penalty: float) -> Change:
    """Keskar et al. 2019 (arXiv 1909.05858): tokens already written become less likely."""

    def change(pieces: np.ndarray, scores: np.ndarray) -> np.ndarray:
        written = np.take_along_axis(scores, pieces, axis=1)
        factor = np.float32(penalty)
        np.put_along_axis(
            scores, pieces, np.where(written < 0, written * factor, written / factor), axis=1
        )
        return scores

    return change


def _no_ngram_again(size: int) -> Change:
    def change(pieces: np.ndarray, scores: np.ndarray) -> np.ndarray:
        for row, written in enumerate(pieces.tolist()):
            scores[row, _following(written, _ngrams(written, size), size)] = NEVER
        return scores

    return change


def _no_ngram_of(source: Sequence[int], size: int) -> Change:
    known = _ngrams(source, size)

    def change(pieces: np.ndarray, scores: np.ndarray) -> np.ndarray:
        for row, written in enumerate(pieces.tolist()):
            scores[row, _following(written, known, size)] = NEVER
        return scores

    return change


def _ngrams(pieces: Sequence[int], size: int) -> dict[tuple[int, ...], list[int]]:
    """The tokens that follow each run of size - 1 tokens."""
    found: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for end in range(size, len(pieces) + 1):
        found[tuple(pieces[end - size : end - 1])].append(pieces[end - 1])
    return found


def _following(
    written: Sequence[int], known: dict[tuple[int, ...], list[int]], size: int
) -> list[int]:
    if len(written) + 1 < size:
        return []
    return known.get(tuple(written[len(written) + 1 - size :]), [])


def _no_words(words: Sequence[tuple[int, ...]]) -> Change:
    def change(pieces: np.ndarray, scores: np.ndarray) -> np.ndarray:
        for *before, last in words:
            if len(before) >= pieces.shape[1] and before:
                continue
            rows = (pieces[:, pieces.shape[1] - len(before) :] == before).all(axis=1)
            scores[rows, last] = NEVER
        return scores

    return change


def _not_before(length: int, ends: list[int]) -> Change:
    def change(pieces: np.ndarray, scores: np.ndarray) -> np.ndarray:
        if pieces.shape[1] < length:
            scores[:, ends] = NEVER
        return scores

    return change


def _forced_at(length: int, forced: list[int]) -> Change:
    def change(pieces: np.ndarray, scores: np.ndarray) -> np.ndarray:
        if pieces.shape[1] == length:
            scores[:] = NEVER
            scores[:, forced] = 0
        return scores

    return change


def _never(pieces_to_avoid: list[int], *, at: int | None = None) -> Change:
    def change(pieces: np.ndarray, scores: np.ndarray) -> np.ndarray:
        if at is None or pieces.shape[1] == at:
            scores[:, pieces_to_avoid] = NEVER
        return scores

    return change

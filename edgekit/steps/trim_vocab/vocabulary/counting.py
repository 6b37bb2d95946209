"""How often each piece occurs in weighted words, even when some are gone. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from tokenizers import Tokenizer

from edgekit.steps.trim_vocab.vocabulary import documents, surgery
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary
from edgekit.steps.trim_vocab.vocabulary.sources import INSIDE

BATCH = 20_000


class Counted:
    """Words of one source and the pieces they split into, in a vocabulary that shrinks.

    A word is only split again when one of its pieces is gone: the others stay as they are (see
    pieces.py).
    """

    def __init__(self, words: Mapping[str, float], tokenizer: Tokenizer, size: int) -> None:
        """`size` is one more than the largest id."""
        self._words = list(words)
        self._weights = np.array(list(words.values()), dtype=np.float64)
        self._size = size
        # Only marks that a word stands inside a text.
        self._uncounted = tokenizer.encode(INSIDE, add_special_tokens=False).ids
        self._ids, self._owners = _encode(tokenizer, self._words)
        self._tokens = 1.0
        self._tokens = float(self.counts().sum()) or 1.0

    def counts(self) -> np.ndarray:
        """How often each id occurs, per original token; shape (size,)."""
        found = np.bincount(
            self._ids, weights=self._weights[self._owners], minlength=self._size
        ).astype(np.float64)
        found[self._uncounted] = 0.0
        return found / self._tokens

    def lose(self, tokenizer: Tokenizer, old_ids: Sequence[int]) -> None:
        """Splits those words again that have a piece which `tokenizer` no longer knows."""
        known = np.zeros(self._size, dtype=bool)
        known[old_ids] = True
        hit = np.zeros(len(self._words), dtype=bool)
        hit[self._owners[~known[self._ids]]] = True
        numbers = np.flatnonzero(hit)
        again, owners = _encode(tokenizer, [self._words[number] for number in numbers])
        whole = ~hit[self._owners]
        self._ids = np.concatenate([self._ids[whole], np.array(old_ids)[again]])
        self._owners = np.concatenate([self._owners[whole], numbers[owners]])


def without(vocabulary: Vocabulary, kept: set[int]) -> tuple[Tokenizer, list[int]]:
    """A tokenizer of these pieces only, and the old id of each of its pieces."""
    old_ids = surgery.order(vocabulary, kept, pad=None)
    document = surgery.trimmed(vocabulary, old_ids)
    return documents.tokenizer(document), old_ids


def _encode(tokenizer: Tokenizer, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The ids of all words one after another, and for each id the number of its word."""
    ids: list[int] = []
    lengths: list[int] = []
    for start in range(0, len(words), BATCH):
        batch = tokenizer.encode_batch_fast(words[start : start + BATCH], add_special_tokens=False)
        for encoding in batch:
            ids += encoding.ids
            lengths.append(len(encoding.ids))
    return np.array(ids, dtype=np.int64), np.repeat(np.arange(len(words)), lengths)

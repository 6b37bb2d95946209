"""What trimming asks of a model with an encoder: its rows as words, its answers as the proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from edgekit.data import inputs
from edgekit.data.rows import Row
from edgekit.errors import StepError
from edgekit.job.job import Job
from edgekit.steps.trim_vocab.vocabulary import answers, sources
from edgekit.steps.trim_vocab.vocabulary.languages import FREQUENT
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary
from edgekit.steps.trim_vocab.vocabulary.proof import Compared, Proof, Text, Tokenizers
from edgekit.system import machine
from edgekit.tables import Family
from edgekit.training.head import Head, head_of

# Per language: texts of each kind that run through both models.
EXACT_TEXTS = 4
CHANGED_ROWS = 20
# Memory for comparing logits, besides the model's weights.
SPARE_BYTES = 500_000_000


class EncoderKind:
    """Reads texts unchanged; it answers each window with one vector."""

    reach = FREQUENT

    def text(self, row: Row) -> Text:
        if row.text_pair is None:
            return Text(row.text, held_out=True)
        return Text(row.text_pair, held_out=True, first=row.text)

    def words(self, texts: Iterable[str]) -> dict[str, float]:
        return sources.own_words(texts)

    def required(self, vocabulary: Vocabulary) -> set[int]:
        """Nothing beyond what all texts need."""
        return set()

    def proof(
        self, job: Job, compared: Mapping[str, Compared], both: Tokenizers, rows: Sequence[int]
    ) -> Proof:
        samples = [
            _Sample(one.language, _spread(one.same), _held_out(one.changed))
            for one in compared.values()
        ]
        return partial(_prove, job, samples)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Texts of one language that run through both models."""

    language: str
    same: Sequence[Text]
    """Texts with the same tokens before and after."""
    changed: Sequence[Text]


def _prove(job: Job, samples: Sequence[_Sample]) -> dict[str, dict[str, Any]] | None:
    """Logits of both checkpoints, by language: equal bits where tokens are the same, and flipped
    labels on held-out rows where they are not; None where there is too little memory. Raises
    StepError where bits differ.
    """
    if machine.available_memory_bytes() <= job.description.fp32_bytes + SPARE_BYTES:
        return None
    texts = [text.input for one in samples for text in [*one.same, *one.changed]]
    old, new = (answers.logits(job, folder, texts) for folder in (job.checkpoint, job.out))
    found: dict[str, dict[str, Any]] = {}
    at = 0
    for one in samples:
        for number, text in enumerate(one.same, start=at):
            if not np.array_equal(old[number], new[number]):
                raise StepError(
                    f"trim_vocab: a text in '{one.language}' has the same tokens as before and "
                    f"other answers ('{inputs.shown(text.input, 60)}'); the checkpoint's weights "
                    "do not fit its tokenizer. Save both together again, or leave the step out."
                )
        at += len(one.same)
        changed = slice(at, at + len(one.changed))
        at += len(one.changed)
        found[one.language] = {"bit_equal": len(one.same)}
        if job.description.family is not Family.SEQ2SEQ:
            found[one.language]["label_flips"] = _flips(head_of(job), old[changed], new[changed])
    return found


def _flips(head: Head, old: Sequence[np.ndarray], new: Sequence[np.ndarray]) -> dict[str, int]:
    """Counts flips among texts whose windows' logits are (windows, labels)."""
    pairs = zip(old, new, strict=True)
    means = [[side.mean(axis=0, keepdims=True) for side in pair] for pair in pairs]
    return {"rows": len(old), "flips": sum(not head.alike(*pair).all() for pair in means)}


def _spread(same: Sequence[Text]) -> list[Text]:
    """Some held-out rows and some of the Declaration, spread over all."""
    found: list[Text] = []
    for held_out in (True, False):
        kind = [text for text in same if text.held_out == held_out]
        found += kind[:: max(1, len(kind) // EXACT_TEXTS)][:EXACT_TEXTS]
    return found


def _held_out(changed: Sequence[Text]) -> list[Text]:
    return [text for text in changed if text.held_out][:CHANGED_ROWS]

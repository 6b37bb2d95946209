"""What trimming asks of a decoder: rows and template as it reads them, its logits as the proof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgekit.checkpoint import chat_template
from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.checkpoint.decoders import DECODERS
from edgekit.data.rows import Row
from edgekit.errors import StepError
from edgekit.job.job import Job
from edgekit.runtime import rendering
from edgekit.steps.trim_vocab.vocabulary import required
from edgekit.steps.trim_vocab.vocabulary.languages import Reach
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary
from edgekit.steps.trim_vocab.vocabulary.proof import Compared, Proof, Text, Tokenizers

# Number of texts whose logits are compared, over all languages, and tokens of each: as much work as
# the proof of every export.
EXACT_TEXTS = 16
EXACT_TOKENS = 48


@dataclass(frozen=True, slots=True)
class DecoderKind:
    """Reads conversations through its chat template, and texts unchanged; continues them."""

    template: str | None
    bos: str
    eos: str
    written: tuple[str, ...] = ()
    """What the template itself writes: conversations of a few words, and its literals."""
    reach: ClassVar[Reach] = Reach(0.98, 150_000)
    """Nobody knows what users will write, and a rare word in many pieces is slow to generate."""

    def text(self, row: Row) -> Text:
        """Raises StepError for a conversation where there is no chat template."""
        if not row.messages:
            return Text(row.text, held_out=True)
        if self.template is None:
            raise StepError(f"trim_vocab: {rendering.NO_TEMPLATE}")
        told = rendering.render_row(self.template, row.messages, bos=self.bos, eos=self.eos)
        return Text(told, held_out=True, rendered=True)

    def words(self, texts: Iterable[str]) -> dict[str, float]:
        """Whole texts: what stands between words decides how they are tokenized."""
        return {text: float(count) for text, count in Counter(texts).items() if text}

    def required(self, vocabulary: Vocabulary) -> set[int]:
        """The pieces that the template writes, and those made only of spaces and line breaks, which
        are in no list of words."""
        blank = {
            number
            for number in vocabulary.ids.values()
            if (text := vocabulary.spells(number)) and text.isspace()
        }
        return vocabulary.closed(blank | required.asked_for(vocabulary, self.written))

    def proof(
        self, job: Job, compared: Mapping[str, Compared], both: Tokenizers, rows: Sequence[int]
    ) -> Proof:
        of_each = max(1, EXACT_TEXTS // max(1, len(compared)))
        samples = []
        for one in compared.values():
            for text in one.same[:: max(1, len(one.same) // of_each)][:of_each]:
                before, after = both.ids(text)
                if before:
                    first = slice(EXACT_TOKENS)
                    samples.append(_Sample(one.language, text.text, before[first], after[first]))
        return partial(_prove, job, samples, np.array(rows))


@dataclass(frozen=True, slots=True)
class _Sample:
    """The first tokens of a text, the same before and after."""

    language: str
    text: str
    before: Sequence[int]
    after: Sequence[int]


def _prove(job: Job, samples: Sequence[_Sample], rows: np.ndarray) -> dict[str, dict[str, Any]]:
    """By language, the texts whose logits over the kept pieces are bit-identical in fp32.

    The old table takes part with the rows that were kept, in their new order: a product with a
    taller matrix rounds differently in the last bit, although every logit is the same sum. Raises
    StepError where bits differ.
    """
    if not samples:
        return {}
    from edgekit.checkpoint import streaming  # torch, which trimming a GGUF does without

    old = streaming.logits(job.checkpoint, [one.before for one in samples], pieces=rows)
    new = streaming.logits(job.out, [one.after for one in samples])
    for one, wanted, found in zip(samples, list(old), new, strict=True):
        if not np.array_equal(wanted, found):
            raise StepError(
                f"trim_vocab: a text in '{one.language}' has the same tokens as before and other "
                f"logits ('{one.text[:60]}'); the checkpoint's weights do not fit its tokenizer. "
                "Save both together again, or leave the step out."
            )
    counts = Counter(one.language for one in samples)
    return {language: {"bit_equal": count} for language, count in counts.items()}


def read(checkpoint: Path, *, model_type: str, rows: int) -> DecoderKind:
    """`rows` is the number of rows of its table. Raises CheckpointError or ExportError for a
    checkpoint that could not be exported either."""
    vocabulary = tokenizing.read(checkpoint, rows=rows, architecture=DECODERS[model_type])
    bos, eos = vocabulary.text("bos"), vocabulary.text("eos")
    template = chat_template.read(checkpoint)
    if template is None:
        return DecoderKind(None, bos, eos)
    rendered = chat_template.render(checkpoint, template, bos=bos, eos=eos)
    written = (*rendered.texts, *rendering.literals(rendered.template))
    return DecoderKind(rendered.template, bos, eos, written)

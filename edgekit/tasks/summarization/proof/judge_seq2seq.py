"""Summaries of test texts, and golden answers, by the encoder-decoder engine. Judges nothing."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.data.spread import spread
from edgekit.export.onnx.seq2seq import output, proof
from edgekit.job.job import Exported, OnProgress, OutputJob
from edgekit.runtime.seq2seq.generation import Generation
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.tasks.summarization.proof.judge_extractive import Summaries, summaries
from edgekit.tasks.summarization.seq2seq import Seq2SeqEngine

GOLDEN_TEXTS = 8
GOLDEN_TOKENS = 12
# The margin in logits over the runner-up that makes a token the same on every CPU.
CLEAR_MARGIN = 0.5


class WritingEngine:
    """The teacher runs as its fp32 export, which is proven equal and several times faster."""

    def teacher(
        self, job: OutputJob, texts: Sequence[str], words: int, on_progress: OnProgress
    ) -> Sequence[str]:
        return _summaries(output.open_fp32(job), texts, words, on_progress)

    def artifact(
        self,
        job: OutputJob,
        exported: Exported,
        texts: Sequence[str],
        words: int,
        on_progress: OnProgress,
    ) -> Summaries:
        generation = Generation.from_json(exported.generation)
        model = proof.open_pair(job, exported.model.parent, generation)
        rows = spread(job.rows, GOLDEN_TEXTS, total=True)
        inputs = [row.text for row in rows]
        answers = [{"tokens": _clear(model, text)} for text in inputs]
        return Summaries(
            _summaries(model, texts, words, on_progress), {"inputs": inputs, "answers": answers}
        )


def _clear(model: Seq2SeqWriter, text: str) -> list[int]:
    """The first tokens of the likeliest answer, as far as they are the same on every CPU."""
    found = []
    for piece, margin in model.greedy(text, GOLDEN_TOKENS):
        if margin < CLEAR_MARGIN:
            break
        found.append(piece)
    return found


def _summaries(
    model: Seq2SeqWriter, texts: Sequence[str], words: int, on_progress: OnProgress
) -> list[str]:
    engine = Seq2SeqEngine(model)
    try:
        return summaries(engine, texts, words, on_progress)
    finally:
        engine.close()

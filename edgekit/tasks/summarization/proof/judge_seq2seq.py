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
        rows = spread(job.rows, proof.GOLDEN_TEXTS, total=True)
        inputs = [row.text for row in rows]
        answers = [{"tokens": proof.clear_tokens(model, text)} for text in inputs]
        return Summaries(
            _summaries(model, texts, words, on_progress), {"inputs": inputs, "answers": answers}
        )


def _summaries(
    model: Seq2SeqWriter, texts: Sequence[str], words: int, on_progress: OnProgress
) -> list[str]:
    engine = Seq2SeqEngine(model)
    try:
        return summaries(engine, texts, words, on_progress)
    finally:
        engine.close()

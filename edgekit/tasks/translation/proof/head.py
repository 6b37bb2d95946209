"""What steps need of translation: a teacher's translations. Knows no step."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from edgekit.checkpoint import frames, models
from edgekit.checkpoint.generation import search_settings
from edgekit.data.rows import Row
from edgekit.export.onnx.seq2seq import tracing
from edgekit.job.job import Job
from edgekit.runtime.parallel import in_order
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.runtime.tokens import TOKENIZER
from edgekit.system import machine


def written(job: Job, rows: Sequence[Row]) -> Generator[str, None, None]:
    """The teacher's translation of each row's text, or of the beginning of one that is too long for
    it: sequence-level distillation (Kim and Rush 2016, arXiv 1606.07947).

    The teacher runs as its export, which is several times faster than torch, with several texts at
    once, each in one thread.
    """
    with tempfile.TemporaryDirectory() as scratch:
        tracing.export(job.teacher, Path(scratch))
        teacher = Seq2SeqWriter(
            lambda name: (Path(scratch) / name).read_bytes(),
            (job.teacher / TOKENIZER).read_bytes(),
            search_settings(models.load_seq2seq(job.teacher)),
            max_tokens=job.max_tokens,
            threads=1,
        )
    framed = {
        name: teacher.framed(frame)
        for name, frame in frames.of(job.teacher, job.recipe.directions).items()
    }

    def answer(row: Row) -> str:
        return framed[str(row.language)].beginning(row.text)

    answers = in_order(answer, rows, workers=machine.cores())
    with closing(teacher), closing(answers):
        yield from answers

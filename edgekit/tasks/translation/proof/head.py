"""What steps need of translation: a teacher's translations. Knows no step."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from edgekit.checkpoint import frames
from edgekit.data.rows import Row
from edgekit.export.onnx.seq2seq.teacher import open_teacher
from edgekit.job.job import Job
from edgekit.runtime.parallel import in_order
from edgekit.system import machine


def written(job: Job, rows: Sequence[Row]) -> Generator[str, None, None]:
    """The teacher's translation of each row's text, or of the beginning of one that is too long for
    it: sequence-level distillation (Kim and Rush 2016, arXiv 1606.07947).

    Several texts are answered at once, each in one thread.
    """
    teacher = open_teacher(job)
    framed = {
        name: teacher.framed(frame)
        for name, frame in frames.of(job.teacher, job.recipe.directions).items()
    }

    def answer(row: Row) -> str:
        return framed[str(row.language)].beginning(row.text)

    answers = in_order(answer, rows, workers=machine.cores())
    with closing(teacher), closing(answers):
        yield from answers

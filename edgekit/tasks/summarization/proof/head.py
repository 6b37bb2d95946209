"""What steps need of summarization: a teacher's summaries, and an encoder's head. Knows no step."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.data.rows import Row
from edgekit.export.onnx.seq2seq.teacher import open_teacher
from edgekit.job.job import Job
from edgekit.recipe.dataset import Dataset
from edgekit.runtime.parallel import in_order
from edgekit.system import machine


@dataclass(frozen=True, slots=True)
class Head:
    """The part of training.head.Head that an encoder which only chooses sentences can have."""

    labels: tuple[str, ...]

    def load(self, folder: Path) -> PreTrainedModel:
        """With a random head, which the seed decides."""
        return models.load_classifier(folder, labels=("0", "1", "2"))

    def alike(self, found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        return np.asarray(found.argmax(axis=1) == wanted.argmax(axis=1))


def of(dataset: Dataset) -> Head:
    return Head(dataset.labels)


def written(job: Job, rows: Sequence[Row]) -> Generator[str, None, None]:
    """The teacher's summary of each row's text, or of the beginning of one that is too long for it.

    Several texts are answered at once, each in one thread.
    """
    teacher = open_teacher(job)
    answers = in_order(teacher.beginning, [row.text for row in rows], workers=machine.cores())
    with closing(teacher), closing(answers):
        yield from answers

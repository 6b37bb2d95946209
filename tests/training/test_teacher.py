"""What is in memory when a student's training begins."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from edgekit.job.job import Make
from edgekit.store.store import Finished
from edgekit.training import teacher as teaching
from tests.tiny import encoder as tiny
from tests.tiny.job import make_job


def models() -> dict[int, PreTrainedModel]:
    return {id(one): one for one in gc.get_objects() if issubclass(type(one), PreTrainedModel)}


def test_the_teacher_has_left_memory_with_its_answers(project: Path, tmp_path: Path) -> None:
    teacher = tiny.make_encoder(tmp_path / "teacher", labels=tiny.LABELS)
    worked: list[int] = []

    def run_stored(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
        folder = tmp_path / name
        folder.mkdir()
        record = make(folder, lambda fraction: worked.append(len(models())))
        return Finished(
            name, "", folder, reused=False, record=record, digests={}, seconds=0.0, peak_bytes=0
        )

    job = make_job(project, teacher, tmp_path, run_stored=run_stored)
    others = models()  # of other tests
    answers = teaching.answers(job, ["lamp on", "play a song"], states=True)
    assert answers.logits.shape == (2, 3)
    assert max(worked) > len(others)
    assert models().keys() <= others.keys()

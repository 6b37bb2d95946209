"""A teacher's answers to texts, computed once and kept in the step store as half floats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from edgekit.checkpoint.describe import describe
from edgekit.data.inputs import Input
from edgekit.job.job import Job, OnProgress
from edgekit.system import devices
from edgekit.system.digest import sha256_json
from edgekit.training.batches import examples
from edgekit.training.head import head_of
from edgekit.training.predict import Answers

MOST_STATE_BYTES = 256_000_000
"""Hidden states that would take more disk and memory than this are left out."""


def answers(job: Job, texts: Sequence[Input], *, states: bool) -> Answers:
    """The teacher's answers, from the step store if they are there; frees the teacher's memory."""
    states = states and 2 * describe(job.teacher).hidden * len(texts) <= MOST_STATE_BYTES
    inputs = {
        **job.common,
        "teacher": job.teacher_digest,
        "device": devices.compute_here(job.device).as_text(),
        "texts": sha256_json(list(texts)),
        "states": states,
    }

    def make(out: Path, on_progress: OnProgress) -> dict[str, Any]:
        found = _ask(job, texts, states=states, on_progress=on_progress)
        for name, values in (("logits", found.logits), ("states", found.states)):
            if values is not None:
                np.save(out / f"{name}.npy", values.astype(np.float16), allow_pickle=False)
        return {"texts": len(texts)}

    folder = job.run_stored("teacher-logits", inputs, make).folder
    return Answers(
        logits=np.load(folder / "logits.npy", allow_pickle=False),
        states=np.load(folder / "states.npy", allow_pickle=False) if states else None,
    )


def _ask(job: Job, texts: Sequence[Input], *, states: bool, on_progress: OnProgress) -> Answers:
    encoder = job.encoder(job.teacher)
    head, items = head_of(job), examples(encoder, texts)
    teacher = head.load(job.teacher)
    nn.Module.to(teacher, job.device)
    return head.answers(teacher, items, rows=len(texts), states=states, on_progress=on_progress)

"""What a teacher says of texts, worked out once and kept in the step store as half floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from edgekit.checkpoint import models
from edgekit.checkpoint.describe import describe
from edgekit.errors import StepError
from edgekit.job.job import Job, OnProgress
from edgekit.runtime.tokens import TextTokenizer
from edgekit.system import devices
from edgekit.system.digest import sha256_json
from edgekit.training import predict
from edgekit.training.batches import examples

MOST_STATE_BYTES = 256_000_000
"""States that would take more disk and memory are left out."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the teacher says of each text."""

    logits: np.ndarray
    """Half floats of shape (texts, labels); a long text's are the mean over its windows."""
    states: np.ndarray | None
    """Half floats of shape (texts, hidden): the mean of the last hidden states. None where they
    were not asked for or would be too large."""

    def first(self, count: int) -> Answers:
        return Answers(self.logits[:count], None if self.states is None else self.states[:count])


def answers(job: Job, texts: Sequence[str], *, states: bool) -> Answers:
    """The teacher's answers, from the step store if they are there; the teacher leaves memory."""
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
        np.save(out / "logits.npy", found.logits, allow_pickle=False)
        if found.states is not None:
            np.save(out / "states.npy", found.states, allow_pickle=False)
        return {"texts": len(texts)}

    folder = job.run_stored("teacher-logits", inputs, make).folder
    return Answers(
        logits=np.load(folder / "logits.npy", allow_pickle=False),
        states=np.load(folder / "states.npy", allow_pickle=False) if states else None,
    )


def _ask(job: Job, texts: Sequence[str], *, states: bool, on_progress: OnProgress) -> Answers:
    encoder = TextTokenizer(
        job.teacher / "tokenizer.json", prefix=job.recipe.prefix, max_tokens=job.max_tokens
    )
    items = examples(encoder, texts)
    teacher = models.load_classifier(job.teacher)
    nn.Module.to(teacher, job.device)
    if not states:
        logits = predict.classify(teacher, items, rows=len(texts), on_progress=on_progress)
        return Answers(logits.astype(np.float16), None)
    logits, found = predict.classify_with_states(
        teacher, items, rows=len(texts), on_progress=on_progress
    )
    return Answers(logits.astype(np.float16), found.astype(np.float16))


def check_better_than_chance(logits: np.ndarray, truth: np.ndarray) -> None:
    """Raises StepError where the answers are worse than guesses as frequent as the answers.

    `logits` have shape (rows, labels). Chance is what Cohen's kappa corrects for.
    """
    rows, labels = logits.shape
    found = logits.argmax(axis=1)
    accuracy = float((found == truth).mean())
    shares = [np.bincount(numbers, minlength=labels) / rows for numbers in (found, truth)]
    chance = float((shares[0] * shares[1]).sum())
    # Within two standard deviations nothing can be said of so many rows.
    if accuracy < chance - 2 * np.sqrt(chance * (1 - chance) / rows):
        raise StepError(
            f"the teacher answers {accuracy:.1%} of the validation rows rightly, which is worse "
            f"than chance ({chance:.1%}): its labels may be in another order than the data's; mend "
            "id2label in its config.json, or fine-tune it first."
        )

"""The heavy half of `distill` for decoders: asks the teacher, learns, judges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from edgekit.checkpoint import models
from edgekit.job.job import Job
from edgekit.steps.distill.decoder import teacher
from edgekit.steps.distill.decoder.plan import DistillSettings
from edgekit.steps.distill.decoder.teacher import Taught
from edgekit.training import decoder, losses, windows
from edgekit.training.decoder import TokenLoss, Trainer
from edgekit.training.losses import Scores


def run(settings: DistillSettings, job: Job) -> dict[str, Any]:
    """Writes the checkpoint nearest to the teacher into `job.out`, at worst the original one.

    Returns the step's record: divergences are in nats per token, at temperature 1, over the
    teacher's most likely pieces, with all others as one.
    """
    rows = windows.training_rows(job.dataset, job.recipe.languages)
    texts = decoder.read_texts(settings, job, rows)
    taught = teacher.ask(job, texts.taught, temperature=settings.temperature)
    judged = teacher.ask(job, texts.judged, temperature=1.0)
    judge = divergence(judged, temperature=1.0)
    student = Trainer(settings, job, texts)
    before = student.judge(judge)
    trained = student.train(divergence(taught, temperature=settings.temperature), judge)
    after = -math.log(trained.best_score)
    healed = after < before
    model = student.merged() if healed else decoder.load(job.checkpoint, device="cpu")
    models.save(model, job.out, source=job.checkpoint)
    return {
        "after": {"best_epoch": trained.best_epoch if healed else 0, "windows": len(texts.taught)},
        "proof": {
            "tokens": int(judged.starts[-1]),
            "kld": {"before": round(before, 4), "after": round(min(before, after), 4)},
        },
        "notes": [*_notes(before, after), *trained.notes],
        "training": asdict(trained),
    }


def divergence(taught: Taught, *, temperature: float) -> TokenLoss:
    """The divergence from the teacher's predictions for the same windows."""

    def loss(scores: Scores, states: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        ids, logp = taught.of(numbers)
        return losses.top_kl(states, scores, ids, logp, temperature=temperature)

    return loss


def _notes(before: float, after: float) -> list[str]:
    if after < before:
        return []
    return [
        f"the weights stay as they were: the best epoch is {after:.4g} nats a token from the "
        f"teacher, and they are {before:.4g}"
    ]

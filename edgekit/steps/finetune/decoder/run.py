"""The heavy half of `finetune` for decoders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from edgekit.checkpoint import models
from edgekit.errors import StepError
from edgekit.job.job import Job
from edgekit.steps.finetune.decoder.plan import FinetuneSettings
from edgekit.training import decoder, losses
from edgekit.training.decoder import Texts, TokenLoss, Trainer
from edgekit.training.losses import Scores
from edgekit.training.windows import Window


def run(settings: FinetuneSettings, job: Job) -> dict[str, Any]:
    """Writes the weights of the best epoch into `job.out`; returns the step's record.

    Raises StepError where the rows hold no answer.
    """
    read = decoder.read_texts(settings, job, job.dataset.train, answers=True)
    texts = Texts(_answered(read.taught, "data.train"), _answered(read.judged, "data.validation"))
    trainer = Trainer(settings, job, texts)
    judge = answers_nll(texts.judged)
    before = trainer.judge(judge)
    trained = trainer.train(answers_nll(texts.taught), judge)
    models.save(trainer.merged(), job.out, source=job.checkpoint)
    after = -math.log(trained.best_score)
    return {
        "after": {"best_epoch": trained.best_epoch, "windows": len(texts.taught)},
        "proof": {
            "tokens": sum(len(one.ids) - 1 for one in texts.judged),
            "nll": {"before": round(before, 4), "after": round(after, 4)},
        },
        "notes": list(trained.notes),
        "training": asdict(trained),
    }


def _answered(found: Sequence[Window], name: str) -> list[Window]:
    """The windows with tokens that the model itself writes."""
    kept = [one for one in found if any(one.answers[1:])]
    if not kept:
        raise StepError(
            f"finetune: no conversation of {name} has a turn of the assistant that the chat "
            "template tells apart from the others; add answers, or give texts ('text')."
        )
    return kept


def answers_nll(windows: Sequence[Window]) -> TokenLoss:
    """Negative log-likelihood of the tokens that the model writes, scaled to the mean over all."""
    told = [torch.tensor(one.answers[1:]) for one in windows]
    labels = [torch.tensor(one.ids[1:]) for one in windows]
    every, answered = (sum(int(one.numel()) for one in told), sum(int(one.sum()) for one in told))

    def loss(scores: Scores, states: torch.Tensor, numbers: Sequence[int]) -> torch.Tensor:
        own = torch.cat([told[number] for number in numbers]).to(states.device)
        wanted = torch.cat([labels[number] for number in numbers]).to(states.device)
        return losses.nll(states[own], scores, wanted[own]) * (every / answered)

    return loss

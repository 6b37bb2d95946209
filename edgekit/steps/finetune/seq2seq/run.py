"""`finetune` of an encoder-decoder: trains it on rows and their summaries."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgekit.checkpoint import models
from edgekit.job.job import Job
from edgekit.steps.finetune import schedule
from edgekit.steps.finetune.settings import FinetuneSettings, frozen
from edgekit.training import seq2seq


def run(settings: FinetuneSettings, job: Job) -> dict[str, Any]:
    """Trains, writes the best weights into `job.out`, returns what changed."""
    model = models.load_seq2seq(job.checkpoint)
    freeze = frozen(settings, job.description.vocabulary)
    if freeze:
        model.get_input_embeddings().weight.requires_grad_(False)
    trained = seq2seq.learn(
        model,
        job,
        seq2seq.given(job, job.dataset.train),
        validation=seq2seq.given(job, job.dataset.validation),
        schedule=schedule.make(settings, job),
        smoothing=settings.label_smoothing,
    )
    models.save(model, job.out, source=job.checkpoint)
    return {
        "after": {
            "validation_likelihood": round(trained.best_score, 6),
            "best_epoch": trained.best_epoch,
        },
        "notes": list(trained.notes),
        "training": {**asdict(trained), "frozen_embeddings": freeze},
    }

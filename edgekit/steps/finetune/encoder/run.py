"""The heavy half of `finetune` for encoders: trains one and its head on labelled rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from peft import PeftModel
from torch import nn

from edgekit.checkpoint import models
from edgekit.job.job import Job
from edgekit.steps.finetune import schedule
from edgekit.steps.finetune.settings import FinetuneSettings, frozen
from edgekit.store.store import PROGRESS
from edgekit.tables import Family
from edgekit.training import adapters
from edgekit.training.batches import Example
from edgekit.training.head import head_of
from edgekit.training.loop import Model, Training


def run(settings: FinetuneSettings, job: Job) -> dict[str, Any]:
    """Trains, writes the best weights into `job.out`, returns what changed."""
    head, rows = head_of(job), job.dataset.validation
    torch.manual_seed(job.recipe.seed)  # a fresh head
    model = head.load(job.checkpoint)
    freeze = frozen(settings, job.description.vocabulary)
    if freeze:
        model.get_input_embeddings().weight.requires_grad_(False)
    tuned: Model = model
    if settings.lora is not None:
        tuned = adapters.add_lora(model, settings.lora, family=Family.ENCODER)
    nn.Module.to(tuned, job.device)
    encoder = job.encoder(job.checkpoint)
    validation = head.examples(encoder, rows)
    learn = head.loss(
        job.dataset.train, smoothing=settings.label_smoothing, balance=settings.balance
    )

    def loss(model: Model, inputs: Mapping[str, Any], part: Sequence[Example]) -> torch.Tensor:
        return learn(head.logits(model(**inputs), inputs), part)

    def score() -> float:
        return head.score(head.answers(tuned, validation, rows=len(rows)).logits, rows)

    trained = Training(
        tuned,
        head.examples(encoder, job.dataset.train),
        schedule=schedule.make(settings, job),
        loss=loss,
        score=score,
        folder=job.out / PROGRESS,
        crew=job.crew,
    ).run(job.on_progress)
    nn.Module.to(tuned, "cpu")
    merged = adapters.merge(tuned) if isinstance(tuned, PeftModel) else tuned
    models.save(merged, job.out, source=job.checkpoint)
    return {
        "after": {
            f"validation_{head.metric}": round(trained.best_score, 6),
            "best_epoch": trained.best_epoch,
            "labels": len(job.dataset.labels),
        },
        "notes": list(trained.notes),
        "training": {**asdict(trained), "frozen_embeddings": freeze},
    }

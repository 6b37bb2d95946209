"""The heavy half of `finetune`: binds its settings to a model and to training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from peft import PeftModel
from torch import nn

from edgekit.checkpoint import models
from edgekit.job.job import Job
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.finetune import schedule
from edgekit.steps.finetune.settings import FinetuneSettings, frozen
from edgekit.store.store import PROGRESS
from edgekit.tasks.classification import answer as classification
from edgekit.training import adapters, predict
from edgekit.training.batches import Example, examples
from edgekit.training.loop import Classifier, Loss, Training, class_weights


def run(settings: FinetuneSettings, job: Job) -> dict[str, Any]:
    """Trains, writes the best weights into `job.out`, returns what changed."""
    dataset = job.dataset
    torch.manual_seed(job.recipe.seed)  # the fresh head
    model = models.load_classifier(job.checkpoint, labels=dataset.labels)
    freeze = frozen(settings, job.description.vocabulary)
    if freeze:
        model.get_input_embeddings().weight.requires_grad_(False)
    tuned = adapters.add_lora(model, settings.lora) if settings.lora else model
    nn.Module.to(tuned, job.device)
    encoder = TextTokenizer(
        job.checkpoint / "tokenizer.json", prefix=job.recipe.prefix, max_tokens=job.max_tokens
    )
    numbers = dataset.numbers(dataset.train)
    validation = examples(encoder, [row.text for row in dataset.validation])
    truth = np.array(dataset.numbers(dataset.validation))

    def score() -> float:
        logits = predict.classify(tuned, validation, rows=len(truth))
        return classification.scores(logits, truth, dataset.labels).macro_f1

    trained = Training(
        tuned,
        examples(encoder, [row.text for row in dataset.train], numbers),
        schedule=schedule.make(settings, job),
        loss=_loss(settings, numbers, labels=len(dataset.labels), device=job.device),
        score=score,
        folder=job.out / PROGRESS,
        crew=job.crew,
    ).run(job.on_progress)
    nn.Module.to(tuned, "cpu")
    merged = adapters.merge(tuned) if isinstance(tuned, PeftModel) else tuned
    models.save(merged, job.out, source=job.checkpoint)
    return {
        "after": {
            "validation_macro_f1": round(trained.best_score, 6),
            "best_epoch": trained.best_epoch,
            "labels": len(dataset.labels),
        },
        "notes": list(trained.notes),
        "training": {**asdict(trained), "frozen_embeddings": freeze},
    }


def _loss(settings: FinetuneSettings, numbers: list[int], *, labels: int, device: str) -> Loss:
    counts = np.bincount(numbers, minlength=labels)
    weights = torch.tensor(class_weights(counts, settings.balance), dtype=torch.float32)
    # Divided by rows, not by their weights: else it would matter how a batch is cut in parts.
    entropy = nn.CrossEntropyLoss(
        weight=weights, label_smoothing=settings.label_smoothing, reduction="none"
    ).to(device)

    def loss(model: Classifier, inputs: Mapping[str, Any], part: Sequence[Example]) -> torch.Tensor:
        logits = model(**inputs).logits.float()
        labels = torch.tensor([example.label for example in part], device=logits.device)
        return entropy(logits, labels).mean()

    return loss

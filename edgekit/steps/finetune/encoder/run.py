"""The heavy half of `finetune`: binds its settings to a model and to training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from peft import PeftModel
from torch import nn

from edgekit.checkpoint import models
from edgekit.job.job import Job
from edgekit.runtime.tokens import TextEncoder
from edgekit.store.store import PROGRESS
from edgekit.system import devices
from edgekit.tasks.classification import answer as classification
from edgekit.training import adapters, predict
from edgekit.training import seq2seq as writing
from edgekit.training.batches import Example, examples
from edgekit.training.loop import Classifier, Loss, Schedule, Trained, Training, class_weights

if TYPE_CHECKING:  # finetune.py imports this module when it runs
    from edgekit.steps.finetune.encoder.plan import FinetuneSettings


def finetune(settings: FinetuneSettings, job: Job, *, freeze_embeddings: bool) -> Trained:
    """Trains the checkpoint of `job` and writes the best weights into `job.out`."""
    dataset = job.dataset
    torch.manual_seed(job.recipe.seed)  # the fresh head
    model = models.load_classifier(job.checkpoint, labels=dataset.labels)
    if freeze_embeddings:
        model.get_input_embeddings().weight.requires_grad_(False)
    tuned = adapters.add_lora(model, settings.lora) if settings.lora else model
    nn.Module.to(tuned, job.device)
    encoder = TextEncoder(
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
        schedule=schedule(settings, job),
        loss=_loss(settings, numbers, labels=len(dataset.labels), device=job.device),
        score=score,
        folder=job.out / PROGRESS,
        crew=job.crew,
    ).run(job.on_progress)
    nn.Module.to(tuned, "cpu")
    merged = adapters.merge(tuned) if isinstance(tuned, PeftModel) else tuned
    models.save(merged, job.out, source=job.checkpoint)
    return trained


def finetune_writer(settings: FinetuneSettings, job: Job, *, freeze_embeddings: bool) -> Trained:
    """As `finetune`, for a model that learns to write the rows' summaries."""
    model = models.load_seq2seq(job.checkpoint)
    if freeze_embeddings:
        model.get_input_embeddings().weight.requires_grad_(False)
    trained = writing.learn(
        model,
        job,
        writing.given(job, job.dataset.train),
        validation=writing.given(job, job.dataset.validation),
        schedule=schedule(settings, job),
        smoothing=settings.label_smoothing,
    )
    models.save(model, job.out, source=job.checkpoint)
    return trained


def schedule(settings: FinetuneSettings, job: Job) -> Schedule:
    """The settings as training takes them."""
    minutes = settings.max_minutes
    return Schedule(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        learning_rate=settings.learning_rate,
        head_learning_rate=settings.head_learning_rate or 10 * settings.learning_rate,
        warmup=settings.warmup,
        weight_decay=settings.weight_decay,
        patience=settings.patience,
        max_seconds=None if minutes is None else minutes * 60,
        seed=job.recipe.seed,
        autocast=devices.autocast_here(job.device),
    )


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

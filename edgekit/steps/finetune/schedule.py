"""From the settings of `finetune` to the schedule of the training loop."""

from __future__ import annotations

from edgekit.job.job import Job
from edgekit.steps.finetune.settings import FinetuneSettings
from edgekit.system import devices
from edgekit.training.loop import Schedule


def make(settings: FinetuneSettings, job: Job) -> Schedule:
    """The settings in the form that training takes."""
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

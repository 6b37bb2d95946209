"""From the settings of `distill` of encoders and encoder-decoders to the training schedule."""

from __future__ import annotations

from edgekit.job.job import Job
from edgekit.steps.distill.settings import DistillSettings, passes
from edgekit.system import devices
from edgekit.training.loop import Schedule

RATE, WEIGHT_DECAY = 5e-4, 0.01


def make(
    settings: DistillSettings, job: Job, *, rate: float = RATE, weight_decay: float = WEIGHT_DECAY
) -> Schedule:
    """`rate` is the learning rate where the settings give none."""
    rate, minutes = settings.learning_rate or rate, settings.max_minutes
    return Schedule(
        epochs=passes(settings).epochs,
        batch_size=settings.batch_size,
        accumulate=1,
        learning_rate=rate,
        head_learning_rate=rate,
        warmup=0.1,
        weight_decay=weight_decay,
        patience=settings.patience,
        max_seconds=None if minutes is None else minutes * 60,
        seed=job.recipe.seed,
        autocast=devices.autocast_here(job.device),
    )

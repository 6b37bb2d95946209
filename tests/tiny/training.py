"""A short training with everything in it, and what cuts it."""

from __future__ import annotations

from edgekit.training.loop import Schedule

SCHEDULE = Schedule(
    epochs=3,
    batch_size=4,
    accumulate=2,
    learning_rate=1e-3,
    head_learning_rate=1e-2,
    warmup=0.1,
    weight_decay=0.01,
    patience=3,
    max_seconds=None,
    seed=7,
    autocast=None,
)


class PowerCut(Exception):
    pass

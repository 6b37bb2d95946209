"""`finetune` of an encoder: it learns the labels of rows. Light."""

from __future__ import annotations

from dataclasses import replace

from edgekit.job.job import Planned
from edgekit.steps.finetune.settings import FinetuneSettings, check_rows, cost

__all__ = ["SETTINGS", "VERSION", "after", "check", "cost"]

VERSION = 3
SETTINGS = FinetuneSettings


def check(settings: FinetuneSettings, planned: Planned) -> None:
    """Raises RecipeError where training or early stopping has no rows."""
    check_rows(planned)


def after(settings: FinetuneSettings, planned: Planned) -> Planned:
    """The same model, with a head for the data's labels."""
    description = replace(
        planned.description,
        labels=planned.dataset.labels,
        several_labels=planned.dataset.several,
    )
    return replace(planned, description=description)

"""`finetune` of an encoder-decoder: it learns to write the summaries of rows. Light."""

from __future__ import annotations

from edgekit.errors import RecipeError
from edgekit.job.job import Planned
from edgekit.steps.finetune.settings import FinetuneSettings, check_rows, cost

__all__ = ["SETTINGS", "VERSION", "after", "check", "cost"]

VERSION = 3
SETTINGS = FinetuneSettings


def check(settings: FinetuneSettings, planned: Planned) -> None:
    """Raises RecipeError where there are no rows, or a setting would be silently ignored."""
    check_rows(planned)
    for name in ("head_learning_rate", "balance", "lora"):
        if name in settings.model_fields_set:
            raise RecipeError(
                f"{planned.place}: finetune knows '{name}' for classifiers alone, and "
                f"{planned.description.model_type} writes summaries; remove it."
            )


def after(settings: FinetuneSettings, planned: Planned) -> Planned:
    """The same model."""
    return planned

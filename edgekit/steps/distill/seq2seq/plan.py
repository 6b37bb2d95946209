"""`distill` of an encoder-decoder: it learns the summaries that its teacher writes. Light."""

from __future__ import annotations

from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.steps import layers
from edgekit.steps.distill import settings as settings_of_all
from edgekit.steps.distill.settings import DistillSettings

VERSION = 3
SETTINGS = DistillSettings
KNOWN = frozenset(
    {
        "batch_size", "decoder_layers", "effort", "epochs", "learning_rate", "max_minutes",
        "patience", "unlabeled",
    }
)  # fmt: skip
"""The settings that apply here."""


def check(settings: DistillSettings, planned: Planned) -> None:
    """Raises RecipeError where nothing can teach, or a setting would be silently ignored."""
    settings_of_all.check_rows(planned)
    strange = sorted(settings.model_fields_set - KNOWN)
    if strange:
        raise RecipeError(
            f"{planned.place}: distill knows '{strange[0]}' for classifiers alone, and "
            f"{planned.description.model_type} writes summaries; remove it."
        )


def after(settings: DistillSettings, planned: Planned) -> Planned:
    """The student, and how much faster than the checkpoint it will be."""
    before = planned.description
    kept = min(settings.decoder_layers or before.decoder_layers, before.decoder_layers)
    return layers.shortened(planned, encoder=before.layers, decoder=kept)


def cost(settings: DistillSettings, planned: Planned) -> Cost:
    """The teacher's summaries, then forward and backward passes of every epoch."""
    student = after(settings, planned)
    return settings_of_all.cost(settings, planned, student, trained=student.description.parameters)

"""`finetune` of a decoder: teaches it rows and answers. Light until it runs."""

from __future__ import annotations

from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.training import decoder_settings
from edgekit.training.decoder_settings import DecoderSettings

VERSION = 2


class FinetuneSettings(DecoderSettings):
    """Cross-entropy on `data.train`: on every token of a text, and in conversations on those of the
    assistant's turns; the loss on `data.validation` decides when to stop."""


SETTINGS = FinetuneSettings


def check(settings: FinetuneSettings, planned: Planned) -> None:
    """Raises RecipeError where there is nothing to learn from."""
    decoder_settings.check(settings, planned, name="finetune")


def after(settings: FinetuneSettings, planned: Planned) -> Planned:
    return decoder_settings.after(planned)


def cost(settings: FinetuneSettings, planned: Planned) -> Cost:
    return decoder_settings.cost(settings, planned)

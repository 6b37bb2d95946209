"""`distill` of a decoder: heals what an earlier step removed. Light until it runs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.steps.layers import refuse_keys
from edgekit.tables import SHRINKING
from edgekit.training import decoder_settings
from edgekit.training.decoder_settings import DecoderSettings

VERSION = 2
# A token's most likely pieces on disk: their ids and half floats.
BYTES_PER_TOKEN = 64 * (4 + 2)
_CLASSIFIERS = {
    "layers": "is for classifiers; take layers out by the step prune before this one",
    "student": "is for classifiers; here the checkpoint itself learns from what it was",
    "width": "is for classifiers; there is no static student of a decoder",
}


class DistillSettings(DecoderSettings):
    """The checkpoint learns to predict what its teacher does, after every token of the texts
    (Hinton et al. 2015, arXiv 1503.02531); divergence on the validation rows decides when to
    stop."""

    temperature: Annotated[float, Field(gt=0, le=20)] = 1.0
    """Softens the teacher's predictions. Pruned language models heal best at 1 (Muralidharan et al.
    2024, arXiv 2407.14679)."""

    @model_validator(mode="before")
    @classmethod
    def _no_classifiers(cls, given: Any) -> Any:
        refuse_keys(given, _CLASSIFIERS)
        return given

    @property
    def reads_unlabeled(self) -> bool:
        return True


SETTINGS = DistillSettings


def check(settings: DistillSettings, planned: Planned) -> None:
    """Raises RecipeError where there is nothing to learn, or nothing to learn it from."""
    decoder_settings.check(settings, planned, name="distill")
    steps = [name for step in planned.recipe.steps for name in step]
    if next(name for name in steps if name in SHRINKING) == "distill":
        raise RecipeError(
            f"{planned.place}: distill heals what a step before it took, and here nothing was "
            "taken; put prune before it."
        )
    teacher = planned.teacher or planned.description
    if teacher.vocabulary != planned.description.vocabulary:
        raise RecipeError(
            f"{planned.place}: distill compares predictions piece by piece, and its teacher has "
            f"{teacher.vocabulary} pieces where the checkpoint has "
            f"{planned.description.vocabulary}; put trim_vocab behind it."
        )


def after(settings: DistillSettings, planned: Planned) -> Planned:
    return decoder_settings.after(planned)


def cost(settings: DistillSettings, planned: Planned) -> Cost:
    """The teacher's predictions, then the training; never both at once."""
    learnt = decoder_settings.cost(settings, planned)
    teacher, rates = planned.teacher or planned.description, planned.rates
    tokens = decoder_settings.learnt_tokens(settings, planned)
    tokens += min(decoder_settings.JUDGED_TOKENS, planned.tokens.validation)
    # Rates were measured on the first checkpoint and scale with its layers.
    slower = teacher.body_parameters / max(1, planned.description.body_parameters)
    asked = tokens * rates.forward_seconds_per_token * slower * teacher.head_share
    kept = round(tokens * BYTES_PER_TOKEN)
    return Cost(
        seconds=learnt.seconds + asked + rates.load_seconds,
        peak_bytes=max(learnt.peak_bytes, rates.torch_bytes + teacher.fp32_bytes + 2 * kept),
        disk_bytes=learnt.disk_bytes + kept,
    )

"""`prune` of an encoder-decoder: takes out whole layers. Light until it runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.recipe.settings import Settings, fault
from edgekit.steps import layers
from edgekit.steps.layers import check_layers, kept_layers, refuse_keys

VERSION = 1
TEXTS = 200
_CLASSIFIERS = {
    "layers": "is of models with one half; say 'decoder_layers' or 'encoder_layers'",
    "heads": "is for classifiers; say 'decoder_layers' or 'encoder_layers'",
    "ffn": "is for classifiers; say 'decoder_layers' or 'encoder_layers'",
    "latency": "is for classifiers; say 'decoder_layers' or 'encoder_layers'",
}


class PruneSettings(Settings):
    """Whole layers go, the decoder's first of all: it runs once for every piece that is written,
    the encoder once for a text. Nothing is trained: `distill` or `finetune` afterwards heals."""

    decoder_layers: int | list[int] | None = None
    """How many layers of the decoder stay, or their numbers from 0."""
    encoder_layers: int | list[int] | None = None
    """The same for the encoder; all of them unless given."""
    method: Literal["even", "measured"] = "even"
    """Which layers a count keeps: `even` keeps the first, the last and evenly between; `measured`
    removes, one by one, the layer without which the validation summaries stay most likely."""
    texts: Annotated[int, Field(ge=1)] = TEXTS
    """Number of validation rows that `measured` reads, the first ones."""

    @model_validator(mode="before")
    @classmethod
    def _no_classifiers(cls, given: Any) -> Any:
        refuse_keys(given, _CLASSIFIERS)
        return given

    @model_validator(mode="after")
    def _something(self) -> PruneSettings:
        wanted = (self.decoder_layers, self.encoder_layers)
        if wanted == (None, None):
            raise fault(
                "decoder_layers",
                "is missing: say what to remove by decoder_layers or encoder_layers",
            )
        check_layers(self.decoder_layers, name="decoder_layers")
        check_layers(self.encoder_layers, name="encoder_layers")
        if self.method == "measured" and not any(isinstance(one, int) for one in wanted):
            raise fault("method", "chooses layers for a count; drop it where numbers are given")
        if self.method == "even" and "texts" in self.model_fields_set:
            raise fault("texts", "are what 'method: measured' reads; drop it")
        return self


SETTINGS = PruneSettings


def check(settings: PruneSettings, planned: Planned) -> None:
    """Raises RecipeError where there is no decoder, or nothing would be removed."""
    found, place = planned.description, planned.place
    if settings.method == "measured" and not planned.dataset.validation:
        raise RecipeError(
            f"{place}: prune measures on validation rows which layers can go; add data.validation, "
            "or drop method: measured."
        )
    for half, wanted, there in (
        ("decoder", settings.decoder_layers, found.decoder_layers),
        ("encoder", settings.encoder_layers, found.layers),
    ):
        if isinstance(wanted, list) and wanted[-1] >= there:
            raise RecipeError(
                f"{place}: prune is to keep layer {wanted[-1]} of the {half}, which has the layers "
                f"0 to {there - 1}; choose among them."
            )
        if wanted is not None and len(kept_layers(wanted, there)) == there:
            raise RecipeError(
                f"{place}: prune would take nothing out of the {half}, which has {there} "
                f"{'layer' if there == 1 else 'layers'}; ask for fewer {half}_layers, or drop it."
            )


def after(settings: PruneSettings, planned: Planned) -> Planned:
    """The smaller model, and how much faster it is."""
    before = planned.description
    return layers.shortened(
        planned,
        encoder=len(kept_layers(settings.encoder_layers or before.layers, before.layers)),
        decoder=len(
            kept_layers(settings.decoder_layers or before.decoder_layers, before.decoder_layers)
        ),
    )


def cost(settings: PruneSettings, planned: Planned) -> Cost:
    """The validation rows before and after, and once for each layer that might go."""
    found, rates = planned.description, planned.rates
    left = after(settings, planned).description
    runs = 2
    if settings.method == "measured":
        runs += (found.layers - left.layers) * found.layers
        runs += (found.decoder_layers - left.decoder_layers) * found.decoder_layers
    rows = len(planned.dataset.validation)
    tokens = planned.tokens.validation * min(settings.texts, rows) / max(1, rows)
    return Cost(
        seconds=runs * tokens * rates.forward_seconds_per_token
        + 2 * rates.load_seconds
        + left.fp32_bytes * rates.write_seconds_per_byte,
        peak_bytes=rates.torch_bytes + found.fp32_bytes + 2 * left.fp32_bytes,
        disk_bytes=left.fp32_bytes,
    )

"""`prune` of a decoder: removes layers and neurons. Light until it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, model_validator

from edgekit.checkpoint.decoders import DECODERS
from edgekit.checkpoint.describe import Description
from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.recipe.settings import Settings, fault
from edgekit.steps.layers import check_layers, check_there, layer_count, refuse_keys

VERSION = 1
WINDOW = 256
"""Tokens read at once while measuring."""
PROOF_TOKENS = 4096
# GGUF's k- and i-quants need row lengths that these divide; narrow rows have too few.
GRAIN, NARROW_GRAIN, NARROW = 256, 32, 512
# Streaming the weights again for every batch, relative to computing: measured.
SLOWER_STREAMED = 1.5
_CLASSIFIERS = {
    "heads": "is for classifiers: heads here share keys and values; use 'ffn' or 'layers'",
    "latency": "is for classifiers; say what to remove by 'ffn' and 'layers'",
    "method": "is for classifiers: here measured importance alone decides; drop it",
    "texts": "is for classifiers; give 'tokens'",
}


class PruneSettings(Settings):
    """The layers that rotate the hidden states least go, and the neurons that add least to them.
    Nothing is trained: `distill` afterwards heals."""

    layers: int | list[int] | None = None
    """How many layers stay at most: those that go are neighbours, chosen where the input of the
    first is nearest to the output of the last. Or the numbers of those that stay, from 0."""
    ffn: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the neurons to remove from every feed-forward network; what is left is rounded to a
    multiple of 256, or of 32 where there are fewer than 512."""
    tokens: Annotated[int, Field(ge=64)] = 16_384
    """Tokens of data.train and data.unlabeled that decide, equally many of each language."""

    @model_validator(mode="before")
    @classmethod
    def _no_classifiers(cls, given: Any) -> Any:
        refuse_keys(given, _CLASSIFIERS)
        return given

    @model_validator(mode="after")
    def _something(self) -> PruneSettings:
        if self.layers is None and self.ffn is None:
            raise fault("layers", "is missing: say what to remove by layers or ffn")
        check_layers(self.layers)
        return self

    @property
    def reads_unlabeled(self) -> bool:
        return True


SETTINGS = PruneSettings


def check(settings: PruneSettings, planned: Planned) -> None:
    """Raises RecipeError where the step does not suit the architecture, or removes nothing."""
    found, place = planned.description, planned.place
    if found.model_type not in DECODERS:
        raise RecipeError(
            f"{place}: prune does not know where the layers of a {found.model_type} model are; it "
            f"knows {', '.join(sorted(DECODERS))}. Drop the step."
        )
    if not (planned.dataset.train or planned.dataset.unlabeled):
        raise RecipeError(
            f"{place}: prune measures on texts what can go; add data.train or data.unlabeled."
        )
    check_there(settings.layers, planned, keeps="prune is to keep")
    _check_kinds(settings, found, place)
    if settings.ffn is not None and width(settings, found.ffn) == found.ffn:
        least = grain(found.ffn) / 2 / found.ffn
        raise RecipeError(
            f"{place}: {settings.ffn:g} of {found.ffn} neurons is less than half of "
            f"{grain(found.ffn)}, whose multiples are kept, so that none would go; ask for ffn: "
            f"{least + 0.01:.2g} or more."
        )


def _check_kinds(settings: PruneSettings, found: Description, place: str) -> None:
    """Raises RecipeError where llama.cpp would take a layer that is left for one of another kind;
    other faults of the numbers have been found."""
    known, wanted = DECODERS[found.model_type], settings.layers
    left = layer_count(wanted, found.layers)
    if left == found.layers:
        return
    every = known.unrotated_every
    listed = wanted if isinstance(wanted, list) else range(found.layers - left, found.layers)
    if every and any((old - new) % every for new, old in enumerate(listed)):
        raise RecipeError(
            f"{place}: llama.cpp tells by its number whether a layer of a {found.model_type} model "
            f"rotates positions, which every {every}th does not; take layers out by fours, such as "
            f"layers: {max(1, found.layers - every)}, or prune ffn alone."
        )
    if known.windowed_at in (left, found.layers):
        raise RecipeError(
            f"{place}: llama.cpp gives sliding windows to {found.model_type} of "
            f"{known.windowed_at} layers alone, and would run what is left otherwise; prune ffn."
        )


def after(settings: PruneSettings, planned: Planned) -> Planned:
    """The smaller model, and how much faster its layers are."""
    before = planned.description
    description = smaller(settings, before)
    share = description.body_parameters / max(1, before.body_parameters)
    return replace(planned, description=description, rates=planned.rates.scaled(share))


def cost(settings: PruneSettings, planned: Planned) -> Cost:
    """The texts that decide, and the validation texts before and after."""
    found, rates = planned.description, planned.rates
    judged = min(PROOF_TOKENS, planned.tokens.validation)
    asked = min(settings.tokens, planned.tokens.train or settings.tokens)
    seconds = (asked + 2 * judged * found.head_share) * rates.forward_seconds_per_token
    kept = smaller(settings, found)
    return Cost(
        seconds=seconds * SLOWER_STREAMED
        + rates.load_seconds
        + kept.weights_bytes * rates.write_seconds_per_byte,
        # The states of a batch; for the proof, one window's logits on both sides.
        peak_bytes=rates.torch_bytes
        + 16 * WINDOW * (4 * found.hidden + 3 * found.ffn) * 4
        + 4 * WINDOW * found.vocabulary * 4,
        disk_bytes=kept.weights_bytes,
    )


def grain(neurons: int) -> int:
    """The number that the width of the networks stays a multiple of."""
    return GRAIN if neurons >= NARROW else NARROW_GRAIN


def width(settings: PruneSettings, neurons: int) -> int:
    """How many of its neurons each layer keeps: the nearest multiple, the larger of two."""
    if settings.ffn is None:
        return neurons
    step = grain(neurons)
    wanted = (1 - settings.ffn) * neurons
    return min(neurons, max(step, int(wanted / step + 0.5) * step))


def smaller(settings: PruneSettings, before: Description) -> Description:
    """The model that the step leaves."""
    left, ffn = layer_count(settings.layers, before.layers), width(settings, before.ffn)
    # Mostly gate, up and down; the rest of a layer is attention and norms.
    known = DECODERS.get(before.model_type)
    matrices = 3 if known is None else known.ffn_matrices
    body = before.body_parameters - matrices * before.hidden * before.layers * (before.ffn - ffn)
    gone = before.body_parameters - body * left // max(1, before.layers)
    share = (before.parameters - gone) / max(1, before.parameters)
    return replace(
        before,
        layers=left,
        ffn=ffn,
        parameters=before.parameters - gone,
        weights_bytes=round(before.weights_bytes * share),
    )

"""Which layers stay where a step removes some, and what is left then. Light."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from edgekit.checkpoint.describe import Description
from edgekit.errors import RecipeError
from edgekit.job.job import Planned
from edgekit.recipe.settings import fault


def shortened(planned: Planned, *, encoder: int, decoder: int) -> Planned:
    """The plan with this many layers in each half: smaller, and faster in proportion."""
    before = planned.description
    description = _with_layers(before, encoder, decoder)
    share = description.body_parameters / max(1, before.body_parameters)
    return replace(planned, description=description, rates=planned.rates.scaled(share))


def _with_layers(before: Description, encoder: int, decoder: int) -> Description:
    # A decoder layer has two attentions where an encoder layer has one.
    half = before.body_parameters // max(1, 2 * before.layers + 3 * before.decoder_layers)
    gone = half * (2 * (before.layers - encoder) + 3 * (before.decoder_layers - decoder))
    return replace(
        before, layers=encoder, decoder_layers=decoder, parameters=before.parameters - gone
    )


def check_layers(layers: int | list[int] | None, *, name: str = "layers") -> None:
    """Raises a fault where the setting `name` is neither a count of layers nor their numbers in
    order."""
    if isinstance(layers, int) and layers < 1:
        raise fault(name, "must be 1 or more")
    if isinstance(layers, list) and (not layers or sorted(set(layers)) != layers or layers[0] < 0):
        raise fault(name, "must be numbers of layers from 0, in rising order, each once")


def kept_layers(wanted: int | list[int], layers: int) -> list[int]:
    """The numbers of the layers that stay: for a count, the first, the last and evenly between."""
    if isinstance(wanted, list):
        return wanted
    count = min(wanted, layers)
    if count == 1:
        return [0]
    return [math.floor(number * (layers - 1) / (count - 1) + 0.5) for number in range(count)]


def layer_count(wanted: int | list[int] | None, layers: int) -> int:
    """How many of this many layers stay."""
    if wanted is None:
        return layers
    return min(len(wanted) if isinstance(wanted, list) else wanted, layers)


def check_there(wanted: int | list[int] | None, planned: Planned, *, keeps: str) -> None:
    """Raises RecipeError for numbers of layers that the model does not have; `keeps` begins what it
    says of the number."""
    layers = planned.description.layers
    if isinstance(wanted, list) and wanted[-1] >= layers:
        raise RecipeError(
            f"{planned.place}: {keeps} layer {wanted[-1]}, and the model has the layers "
            f"0 to {layers - 1}; choose among them."
        )


def refuse_keys(given: object, reasons: Mapping[str, str]) -> None:
    """Raises a fault with the reason for the first of these keys that is given."""
    for name, why in reasons.items():
        if isinstance(given, dict) and name in given:
            raise fault(name, why)

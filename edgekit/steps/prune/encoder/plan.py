"""`prune`: removes heads, neurons and layers from a checkpoint. Light until it runs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgekit.checkpoint.describe import Description
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.recipe.settings import Settings, fault
from edgekit.steps.layers import check_layers, check_there, layer_count

VERSION = 1
LEAST_FFN = 32
# Limits the hidden states of the calibration texts held in memory at once.
MOST_TOKENS = 65_536
DEPTH_WINDOWS = 128

Share = Annotated[float, Field(ge=0, lt=1)]


class PruneSettings(Settings):
    """Whole heads, neurons and layers go, those that the answers depend on least; what is left is
    fitted to make up for them. Nothing is trained; `finetune` or `distill` afterwards heals."""

    heads: Share | None = None
    """Share of all attention heads to remove; each layer keeps at least one."""
    ffn: Share | None = None
    """Share of all feed-forward neurons to remove; layers keep as many as they need, a multiple of
    32."""
    layers: int | list[int] | None = None
    """How many layers stay at most, those that matter most; or the numbers of those, from 0."""
    latency: Annotated[float, Field(gt=1)] | None = None
    """Speed-up of the layers in fp32 to reach on this machine: chooses heads, neurons and, unless
    given, layers. An int8 artifact gains somewhat less."""
    method: Literal["fisher", "magnitude"] = "fisher"
    """`fisher` measures on texts what the answers depend on; `magnitude` looks at the weights
    alone, reads no text and fits nothing."""
    texts: Annotated[int, Field(ge=1)] = 2000
    """Texts of data.train and data.unlabeled that decide; fewer where together they are longer than
    65,536 tokens."""

    @model_validator(mode="after")
    def _something(self) -> PruneSettings:
        if self.latency is not None:
            for name in ("heads", "ffn"):
                if getattr(self, name) is not None:
                    raise fault("latency", f"decides '{name}' by itself; drop one of the two")
            if self.method == "magnitude":
                raise fault("latency", "compares what different layers lose, which needs fisher")
        elif self.heads is None and self.ffn is None and self.layers is None:
            raise fault("ffn", "is missing: say what to remove by heads, ffn, layers or latency")
        check_layers(self.layers)
        if self.method == "magnitude" and isinstance(self.layers, int):
            raise fault("layers", "by magnitude must be numbers: weights do not tell which go")
        return self

    @property
    def reads_texts(self) -> bool:
        return self.method == "fisher"

    @property
    def reads_unlabeled(self) -> bool:
        return self.reads_texts


SETTINGS = PruneSettings


def check(settings: PruneSettings, planned: Planned) -> None:
    """Raises RecipeError where the step does not suit the architecture, or asks for too much."""
    found, place = planned.description, planned.place
    names = ENCODERS.get(found.model_type)
    if names is None:
        raise RecipeError(
            f"{place}: prune takes out heads and neurons, and a model of the type "
            f"{found.model_type} has none; drop the step."
        )
    if found.labels is None:
        raise RecipeError(
            f"{place}: prune removes what the answers do not need, and the model has no "
            "classification head yet; put the step finetune before prune."
        )
    if settings.reads_texts and not (planned.dataset.train or planned.dataset.unlabeled):
        raise RecipeError(
            f"{place}: prune decides by texts; add data.train or data.unlabeled, or set method: "
            "magnitude."
        )
    if settings.heads and not names.ungrouped_heads:
        raise RecipeError(
            f"{place}: single heads of {found.model_type} cannot be taken out, since its heads "
            "share more than their own matrices; use 'ffn' or 'layers' instead of 'heads'."
        )
    _check_shares(settings, planned)
    if settings.layers is not None:
        _check_layers(settings.layers, planned)


def after(settings: PruneSettings, planned: Planned) -> Planned:
    """The smaller model as far as it can be known: the step itself finds which layers stay wide."""
    before = planned.description
    description = _estimate(settings, before)
    body = before.parameters - before.embedding_parameters
    share = (description.parameters - before.embedding_parameters) / max(1, body)
    return replace(planned, description=description, rates=planned.rates.scaled(share))


def cost(settings: PruneSettings, planned: Planned) -> Cost:
    """Gradients of the texts, the search for layers, and the fit of every layer."""
    found, rates = planned.description, planned.rates
    judged = 2 * planned.tokens.validation * rates.forward_seconds_per_token
    if not settings.reads_texts:
        return Cost(
            seconds=judged + rates.load_seconds,
            peak_bytes=rates.torch_bytes + 2 * found.fp32_bytes,
            disk_bytes=found.fp32_bytes,
        )
    per_text = planned.tokens.train / max(1, len(planned.dataset.train))
    tokens = min(settings.texts * per_text, MOST_TOKENS)
    removed = 0
    if isinstance(settings.layers, int):
        removed = found.layers - layer_count(settings.layers, found.layers)
    elif settings.latency is not None and settings.layers is None:
        removed = found.layers - fewest_layers(settings.latency, found.layers)
    tried = removed * found.layers * DEPTH_WINDOWS * per_text * 0.7  # the rest gets shorter
    fitted = 6 * tokens  # both models run three times
    windows = min(settings.texts, tokens)
    signals = 4 * found.layers * windows * (found.ffn + found.heads)
    return Cost(
        seconds=judged
        + tokens * rates.train_seconds_per_token
        + (tried + fitted) * rates.forward_seconds_per_token
        + rates.load_seconds,
        # The model, its pruned body and what is written; texts' derivatives; states; sums of a fit.
        peak_bytes=rates.torch_bytes
        + 3 * found.fp32_bytes
        - 4 * found.embedding_parameters
        + round(signals + 24 * tokens * found.hidden)
        + 40 * found.ffn**2,
        disk_bytes=found.fp32_bytes,
    )


def fewest_layers(speedup: float, layers: int) -> int:
    """The largest number of layers that is fast enough at full width."""
    return max(1, math.floor(layers / speedup))


def _check_shares(settings: PruneSettings, planned: Planned) -> None:
    """Each layer keeps a head and 32 neurons: names the nearest share that allows it."""
    found = planned.description
    for name, units, least in (
        ("heads", found.heads, 1),
        ("ffn", found.ffn, min(LEAST_FFN, found.ffn)),
    ):
        asked, most = getattr(settings, name) or 0.0, 1 - least / units
        if asked > most:
            nearest = math.floor(most * 1000) / 1000
            what = "a head" if name == "heads" else f"{least} neurons"
            raise RecipeError(
                f"{planned.place}: prune cannot remove {asked:g} of {name}, since every layer "
                f"keeps {what}; at most {name}: {nearest:g} can be met."
            )


def _check_layers(wanted: int | list[int], planned: Planned) -> None:
    found, place = planned.description, planned.place
    if found.model_type == "modernbert":
        raise RecipeError(
            f"{place}: what a layer of modernbert sees depends on its place, so none can be taken "
            "out untrained; use 'ffn' here, or distill: {layers: …}."
        )
    check_there(wanted, planned, keeps="prune is to keep")
    if isinstance(wanted, list) and ENCODERS[found.model_type].shared:
        raise RecipeError(
            f"{place}: all layers of {found.model_type} are one and the same; give 'layers' a "
            "count instead of numbers."
        )


def _estimate(settings: PruneSettings, before: Description) -> Description:
    layers = layer_count(settings.layers, before.layers)
    shared = ENCODERS[before.model_type].shared
    stored, left = (1, 1) if shared else (before.layers, layers)
    removed = stored * _layer_parameters(before, heads=1.0, ffn=1.0)
    if settings.latency is not None:
        kept = removed / settings.latency
    else:
        heads, ffn = 1 - (settings.heads or 0.0), 1 - (settings.ffn or 0.0)
        kept = left * _layer_parameters(before, heads=heads, ffn=ffn)
    return replace(before, layers=layers, parameters=round(before.parameters - removed + kept))


def _layer_parameters(before: Description, *, heads: float, ffn: float) -> float:
    """Parameters of one layer that keeps these shares of its units."""
    hidden = before.hidden
    names = ENCODERS[before.model_type]
    halves = 2 if names.gated or names.ffn_gate is not None else 1
    attention = heads * (4 * hidden**2 + 3 * hidden) + hidden
    network = ffn * before.ffn * (hidden * (1 + halves) + halves) + hidden
    return attention + network + 4 * hidden  # and two norms

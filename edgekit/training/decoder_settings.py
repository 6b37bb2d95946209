"""The settings for training a decoder, and what they cost. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from edgekit.checkpoint.decoders import DECODERS
from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.recipe.settings import Settings
from edgekit.training.lora import Lora

WINDOW = 512
"""Tokens read at once; longer rows take several windows."""
JUDGED_TOKENS = 8192
"""Tokens of the validation rows, equally many of each language, that judge every epoch."""
HELD_TOKENS = {"cpu": WINDOW, "cuda": 8 * WINDOW}
"""Tokens of a micro-batch: a CPU gains nothing from more."""
# What the backward pass keeps of a token in each layer: about this many vectors of the hidden
# width, and of the feed-forward width.
HIDDEN_VECTORS, FFN_VECTORS = 16, 4


class DecoderSettings(Settings):
    """What `distill` and `finetune` have in common."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 2
    """Passes over the texts at most."""
    tokens: Annotated[int, Field(ge=64)] = 500_000
    """Tokens of the texts to learn from at most, equally many of each language."""
    batch_size: Annotated[int, Field(ge=1)] = 4
    """Windows of 512 tokens in one update."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Peak rate; 1e-4 unless given, 3e-4 for an adapter."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the updates in which the rate rises to its peak; it then falls to zero."""
    freeze_embeddings: bool = True
    """Leaves the embedding table as it is, and the head with it where the two are tied: most pieces
    occur in no text, and should keep their meaning."""
    patience: Annotated[int, Field(ge=1)] = 1
    """Epochs without a better score after which training stops."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """Training stops here and keeps the best weights so far."""
    lora: Lora | None = None
    """Trains a low-rank adapter and merges it: takes less memory."""


def rate(settings: DecoderSettings) -> float:
    return settings.learning_rate or (1e-4 if settings.lora is None else 3e-4)


def check(settings: DecoderSettings, planned: Planned, *, name: str) -> None:
    """Raises RecipeError for an unknown architecture, or where there are no texts to learn from."""
    found, place = planned.description, planned.place
    if found.model_type not in DECODERS:
        raise RecipeError(
            f"{place}: {name} cannot train a {found.model_type} model; it knows "
            f"{', '.join(sorted(DECODERS))}. Drop the step."
        )
    dataset = planned.dataset
    if not (dataset.train or (settings.reads_unlabeled and dataset.unlabeled)):
        also = " or data.unlabeled" if settings.reads_unlabeled else ""
        raise RecipeError(f"{place}: {name} has no texts to learn from; add data.train{also}.")
    if not dataset.validation:
        raise RecipeError(
            f"{place}: {name} needs data.validation, which decides when to stop; add the file."
        )


def after(planned: Planned) -> Planned:
    """The same model, its weights stored in fp32."""
    found = planned.description
    return replace(planned, description=replace(found, weights_bytes=found.fp32_bytes))


def learnt_tokens(settings: DecoderSettings, planned: Planned) -> float:
    """How many tokens an epoch has."""
    rows = len(planned.dataset.train)
    per_text = planned.tokens.train / rows if rows else float(planned.tokens.longest)
    further = len(planned.dataset.unlabeled) * per_text if settings.reads_unlabeled else 0.0
    return min(settings.tokens, planned.tokens.train + further)


def cost(settings: DecoderSettings, planned: Planned) -> Cost:
    """Forward and backward passes of every epoch, and a validation after each."""
    found, rates = planned.description, planned.rates
    judged = min(JUDGED_TOKENS, planned.tokens.validation)
    per_epoch = found.head_share * (
        learnt_tokens(settings, planned) * rates.train_seconds_per_token
        + judged * rates.forward_seconds_per_token
    )
    seconds = settings.epochs * per_epoch
    if settings.max_minutes is not None:
        seconds = min(seconds, settings.max_minutes * 60)
    trained = _trained(settings, planned)
    held = min(WINDOW, planned.tokens.longest)
    widths = HIDDEN_VECTORS * found.hidden + FFN_VECTORS * found.ffn
    return Cost(
        seconds=seconds + rates.load_seconds,
        # Gradients of what is trained, two moments and the best copy; saving holds one more copy.
        peak_bytes=rates.torch_bytes
        + found.fp32_bytes
        + 4 * trained * 5
        + 4 * found.layers * widths * held
        + 4 * found.vocabulary * held,
        disk_bytes=found.fp32_bytes + 4 * trained * 4,
    )


def _trained(settings: DecoderSettings, planned: Planned) -> int:
    """How many parameters are trained."""
    found = planned.description
    body = found.parameters - found.embedding_parameters
    if settings.lora is not None:
        # Seven matrices a layer, none narrower than half the model.
        widths = 8 * found.hidden + 3 * (found.hidden + found.ffn)
        return settings.lora.rank * found.layers * widths
    return body if settings.freeze_embeddings else found.parameters

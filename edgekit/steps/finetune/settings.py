"""The settings of `finetune` for encoders and encoder-decoders, and what they cost. Light."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.recipe.settings import Fraction, Settings
from edgekit.training.lora import Lora


class FinetuneSettings(Settings):
    """Cross-entropy on the rows of `data.train`; `data.validation` decides when to stop."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    """Passes over the training rows at most."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Rows held in memory at once."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Batches whose gradients make one update."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = 5e-5
    """Peak rate of the pre-trained weights."""
    head_learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Peak rate of the pooler and the classification head; ten times the other unless given."""
    warmup: Fraction = 0.1
    """Share of the updates in which the rate rises to its peak; it then falls to zero."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Decoupled decay of matrices."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target that is spread over all labels."""
    balance: Literal["none", "sqrt", "inverse"] = "none"
    """How labels are weighted by their counts, for the sake of rare ones."""
    freeze_embeddings: bool | None = None
    """Leaves the embedding table as it is: most languages of a multilingual model are not in the
    training rows. Frozen unless the vocabulary has fewer than 60,000 pieces."""
    patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without a better validation score after which training stops."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """Training stops here and keeps the best weights so far."""
    lora: Lora | None = None
    """Trains a low-rank adapter and merges it."""


def frozen(settings: FinetuneSettings, vocabulary: int) -> bool:
    if settings.freeze_embeddings is not None:
        return settings.freeze_embeddings
    return vocabulary >= 60_000


def check_rows(planned: Planned) -> None:
    """Raises RecipeError where training or early stopping has no rows."""
    for name in ("train", "validation"):
        if not getattr(planned.dataset, name):
            raise RecipeError(
                f"{planned.place}: finetune needs rows in data.{name} with what is to be learnt; "
                "add the file."
            )


def cost(settings: FinetuneSettings, planned: Planned) -> Cost:
    """Forward and backward passes of every epoch, and a validation after each."""
    tokens, rates = planned.tokens, planned.rates
    trained = planned.description.parameters
    if frozen(settings, planned.description.vocabulary):
        trained -= planned.description.embedding_parameters
    per_epoch = (
        tokens.train * rates.train_seconds_per_token
        + tokens.validation * rates.forward_seconds_per_token
    )
    seconds = settings.epochs * per_epoch
    if settings.max_minutes is not None:
        seconds = min(seconds, settings.max_minutes * 60)
    # Weights; gradients, two moments and the best copy of what is trained; saving holds one more.
    weights = planned.description.fp32_bytes + 4 * trained * 5
    activations = planned.activation_bytes(settings.batch_size)
    return Cost(
        seconds=seconds + rates.load_seconds,
        peak_bytes=rates.torch_bytes + weights + activations,
        disk_bytes=planned.description.fp32_bytes + 4 * trained * 4,
    )

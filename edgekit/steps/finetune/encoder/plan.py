"""`finetune`: trains the checkpoint on rows with labels or summaries. Light until it runs."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Job, Planned
from edgekit.recipe.settings import Fraction, Settings
from edgekit.training.lora import Lora

VERSION = 2


class FinetuneSettings(Settings):
    """Cross-entropy on the rows of `data.train`; `data.validation` decides when to stop."""

    epochs: Annotated[int, Field(ge=1, le=1000)] = 3
    """Passes over the training rows at most."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Rows that are held in memory at once."""
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
    """Weights of the labels against their counts, for rare labels."""
    freeze_embeddings: bool | None = None
    """Leaves the word table as it is: most languages of a multilingual model are not in the
    training rows. Frozen unless the vocabulary has fewer than 60,000 pieces."""
    patience: Annotated[int, Field(ge=1)] = 2
    """Epochs without a better validation score after which training stops."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """Training stops here and keeps the best weights so far."""
    lora: Lora | None = None
    """Train a low-rank adapter and merge it."""


SETTINGS = FinetuneSettings


def files(settings: FinetuneSettings) -> tuple[str, ...]:
    """It reads nothing but the recipe's data."""
    return ()


def check(settings: FinetuneSettings, planned: Planned) -> None:
    """Raises RecipeError where training or early stopping has no rows."""
    for name in ("train", "validation"):
        if not getattr(planned.dataset, name):
            raise RecipeError(
                f"{planned.place}: finetune needs rows in data.{name} with what is to be learnt; "
                "add the file."
            )
    if planned.recipe.task == "summarization" and not planned.description.is_writer:
        raise RecipeError(
            f"{planned.place}: {planned.description.model_type} chooses sentences and cannot learn "
            "to write summaries; take an encoder-decoder, or remove the step."
        )
    if planned.description.is_writer:
        for name in ("head_learning_rate", "balance", "lora"):
            if name in settings.model_fields_set:
                raise RecipeError(
                    f"{planned.place}: finetune knows '{name}' for classifiers alone, and "
                    f"{planned.description.model_type} writes summaries; remove it."
                )


def after(settings: FinetuneSettings, planned: Planned) -> Planned:
    """The same model, with a head for the data's labels, if it has any."""
    if planned.description.is_writer:
        return planned
    description = replace(planned.description, labels=planned.dataset.labels)
    return replace(planned, description=description)


def cost(settings: FinetuneSettings, planned: Planned) -> Cost:
    """Forward and backward of every epoch, and a validation after each."""
    tokens, rates = planned.tokens, planned.rates
    trained = planned.description.parameters
    if _frozen(settings, planned.description.vocabulary):
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


def run(settings: FinetuneSettings, job: Job) -> dict[str, Any]:
    """Trains, writes the checkpoint into `job.out`, returns what changed."""
    # torch comes only now, so that a recipe is read and refused at once.
    from edgekit.steps.finetune.encoder import run as finetuning

    frozen = _frozen(settings, job.description.vocabulary)
    if job.description.is_writer:
        trained = finetuning.finetune_writer(settings, job, freeze_embeddings=frozen)
        return {
            "after": {
                "validation_likelihood": round(trained.best_score, 6),
                "best_epoch": trained.best_epoch,
            },
            "notes": list(trained.notes),
            "training": {**asdict(trained), "frozen_embeddings": frozen},
        }
    trained = finetuning.finetune(settings, job, freeze_embeddings=frozen)
    return {
        "after": {
            "validation_macro_f1": round(trained.best_score, 6),
            "best_epoch": trained.best_epoch,
            "labels": len(job.dataset.labels),
        },
        "notes": list(trained.notes),
        "training": {**asdict(trained), "frozen_embeddings": frozen},
    }


def _frozen(settings: FinetuneSettings, vocabulary: int) -> bool:
    if settings.freeze_embeddings is not None:
        return settings.freeze_embeddings
    return vocabulary >= 60_000

"""The settings of `distill` for encoders and encoder-decoders. Light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.recipe.settings import Settings, fault
from edgekit.steps.layers import check_layers


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a student learns, and how many texts are made from each given one."""

    epochs: int
    augment: int


EFFORTS = {"fast": Effort(3, 1), "default": Effort(5, 1), "best": Effort(10, 3)}


# A static student learns a hundred times faster, and needs more passes.
STATIC_EPOCHS = 2


class DistillSettings(Settings):
    """The student learns the teacher's answers to all texts at hand and to texts made from them;
    agreement on the validation rows decides when to stop."""

    layers: int | list[int] | None = None
    """How many of the checkpoint's layers the student keeps, evenly spaced, or their numbers from
    0. All, unless given: that heals what an earlier step removed."""
    keep: Annotated[float, Field(gt=0, le=1)] | None = None
    """The share of the teacher's score on the validation rows that a student of `layers` has to
    keep. Where it does not, one of half as many layers more is taught, up to two thirds of the
    checkpoint's; the first that keeps it stays, or else the largest."""
    decoder_layers: Annotated[int, Field(ge=1)] | None = None
    """How many layers of its decoder an encoder-decoder keeps, evenly spaced; its encoder stays. It
    learns the summaries that the teacher writes."""
    student: Annotated[str, Field(min_length=1)] | None = None
    """Folder of another checkpoint to teach, relative to the recipe; or `static`: an embedding
    table of word pieces and a small head, without layers."""
    width: Annotated[int, Field(ge=16, le=1024)] | None = None
    """Embedding width of a static student; 256 unless given."""
    effort: Literal["fast", "default", "best"] = "default"
    """Sets epochs and augment where they are not given."""
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Passes over the texts at most."""
    augment: Annotated[int, Field(ge=0, le=50)] | None = None
    """Texts made from each given one, by leaving out words and splicing two texts, in the second
    text of a pair; the teacher labels them."""
    unlabeled: Annotated[int, Field(ge=0)] = 100_000
    """How many texts of data.unlabeled are used at most, the first ones."""
    temperature: Annotated[float, Field(gt=0, le=20)] = 2.0
    """Softens the teacher's answers, so that less likely labels teach too."""
    hard_labels: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the rows' own labels relative to the teacher's answers."""
    match_states: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the difference between last hidden states or, where the widths differ, between
    their similarities across texts."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Texts held in memory at once."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Peak rate; 5e-4 unless given, 2e-3 for a static student."""
    freeze_embeddings: bool | None = None
    """Leaves the embedding table as it is: most languages of a multilingual model are not in the
    training texts. Frozen unless the vocabulary has fewer than 60,000 pieces."""
    patience: Annotated[int, Field(ge=1)] = 3
    """Epochs without better agreement after which training stops."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """Training stops here and keeps the best weights so far."""

    @model_validator(mode="after")
    def _one_student(self) -> DistillSettings:
        if self.layers is not None and self.student is not None:
            raise fault("layers", "chooses layers of the checkpoint; drop it, or 'student'")
        if self.width is not None and not self.static:
            raise fault("width", "is a setting of 'student: static'; drop it")
        if self.keep is not None and not isinstance(self.layers, int):
            raise fault(
                "keep", "may take more layers than a count in 'layers'; add one, or drop it"
            )
        check_layers(self.layers)
        return self

    @property
    def static(self) -> bool:
        return self.student == "static"

    @property
    def files(self) -> tuple[str, ...]:
        """The other checkpoint, where one is the student."""
        return () if self.student is None or self.static else (self.student,)

    @property
    def reads_unlabeled(self) -> bool:
        return self.unlabeled > 0


def passes(settings: DistillSettings) -> Effort:
    """The preset of `effort`, overridden by what the recipe gives."""
    effort = EFFORTS[settings.effort]
    epochs = effort.epochs * (STATIC_EPOCHS if settings.static else 1)
    return Effort(
        epochs=epochs if settings.epochs is None else settings.epochs,
        augment=effort.augment if settings.augment is None else settings.augment,
    )


def cost(
    settings: DistillSettings,
    planned: Planned,
    student: Planned,
    *,
    copies: int = 0,
    more_asked: int = 0,
    trained: int,
) -> Cost:
    """The teacher's answers, then forward and backward passes of every epoch.

    `copies` are the texts made from each given one, `more_asked` further tokens that the teacher
    answers, and `trained` the parameters that learn.
    """
    teacher, rates, tokens = planned.teacher or planned.description, planned.rates, planned.tokens
    used = min(settings.unlabeled, len(planned.dataset.unlabeled))
    per_text = tokens.train / max(1, len(planned.dataset.train))
    learnt = (tokens.train + used * per_text) * (1 + copies)
    # Rates were measured on a model shaped like the recipe's first checkpoint, the teacher.
    slower = teacher.layers / max(1, planned.description.layers)
    asked = (learnt + tokens.validation) * slower + more_asked
    teaching = asked * rates.forward_seconds_per_token
    learning = passes(settings).epochs * (
        learnt * student.rates.train_seconds_per_token
        + tokens.validation * student.rates.forward_seconds_per_token
    )
    if settings.max_minutes is not None:
        learning = min(learning, settings.max_minutes * 60)
    activations = student.activation_bytes(settings.batch_size)
    lesson = round(learnt / max(1.0, per_text)) * 2 * (len(teacher.labels or ()) + teacher.hidden)
    # The teacher leaves memory before the student learns: its weights, or the student's with
    # gradients, two moments, the best copy and one more while saving.
    weights = max(teacher.fp32_bytes, student.description.fp32_bytes + 4 * trained * 5)
    return Cost(
        seconds=teaching + learning + 2 * rates.load_seconds,
        peak_bytes=rates.torch_bytes + weights + activations + 2 * lesson,
        disk_bytes=student.description.fp32_bytes + 4 * trained * 4 + lesson,
    )


def check_rows(planned: Planned) -> None:
    """Raises RecipeError where nothing can teach or judge."""
    for name in ("train", "validation"):
        if not getattr(planned.dataset, name):
            raise RecipeError(
                f"{planned.place}: distill needs labelled rows in data.{name}; add the file."
            )

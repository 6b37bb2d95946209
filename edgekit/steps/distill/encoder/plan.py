"""`distill`: the teacher of a recipe teaches a smaller student. Light until it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from edgekit.checkpoint.describe import STATIC, Description, describe
from edgekit.checkpoint.encoders import ARCHITECTURES
from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Job, Planned
from edgekit.recipe.settings import Settings
from edgekit.steps import layers
from edgekit.steps.layers import check_layers, kept_layers

VERSION = 2


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a student learns, and how many texts are made for it out of each given one."""

    epochs: int
    augment: int


EFFORTS = {"fast": Effort(3, 1), "default": Effort(5, 1), "best": Effort(10, 3)}
# A static student learns a hundred times faster, and needs more passes.
STATIC_EPOCHS = 2
STATIC_HEAD = 256
# Of the time that a model of twelve layers takes; measured.
STATIC_SHARE = 0.05


class DistillSettings(Settings):
    """The student learns the teacher's answers to all texts at hand and to texts made of them;
    agreement on the validation rows decides when to stop."""

    layers: int | list[int] | None = None
    """How many of the checkpoint's layers the student keeps, evenly spaced, or their numbers from
    0. All, unless given: what a step before took away is healed."""
    decoder_layers: Annotated[int, Field(ge=1)] | None = None
    """How many layers of its decoder a model that writes keeps, evenly spaced; its encoder stays.
    It learns the summaries that the teacher writes."""
    student: Annotated[str, Field(min_length=1)] | None = None
    """Folder of another checkpoint to teach, relative to the recipe; or `static`: a table of word
    pieces and a small head, without layers."""
    width: Annotated[int, Field(ge=16, le=1024)] | None = None
    """Numbers that a static student holds for each word piece; 256 unless given."""
    effort: Literal["fast", "default", "best"] = "default"
    """Sets epochs and augment where they are not given."""
    epochs: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Passes over the texts at most."""
    augment: Annotated[int, Field(ge=0, le=50)] | None = None
    """Texts made out of each given one, by leaving out words and splicing two; the teacher labels
    them."""
    unlabeled: Annotated[int, Field(ge=0)] = 100_000
    """How many texts of data.unlabeled are used at most, the first ones."""
    temperature: Annotated[float, Field(gt=0, le=20)] = 2.0
    """Softens the teacher's answers, so that the lesser labels teach too."""
    hard_labels: Annotated[float, Field(ge=0)] = 0.1
    """Weight of the rows' own labels beside the teacher's answers."""
    match_states: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the difference between the last hidden states; of their relations between texts
    where the widths differ."""
    batch_size: Annotated[int, Field(ge=1)] = 32
    """Texts that are held in memory at once."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Peak rate; 5e-4 unless given, 2e-3 for a static student."""
    freeze_embeddings: bool | None = None
    """Leaves the word table as it is: most languages of a multilingual model are not in the
    training texts. Frozen unless the vocabulary has fewer than 60,000 pieces."""
    patience: Annotated[int, Field(ge=1)] = 3
    """Epochs without a better agreement after which training stops."""
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    """Training stops here and keeps the best weights so far."""

    @model_validator(mode="after")
    def _one_student(self) -> DistillSettings:
        if self.layers is not None and self.student is not None:
            raise ValueError("layers|chooses layers of the checkpoint; drop it, or 'student'")
        if self.width is not None and not self.static:
            raise ValueError("width|is a setting of 'student: static'; drop it")
        check_layers(self.layers)
        return self

    @property
    def static(self) -> bool:
        return self.student == "static"

    @property
    def reads_unlabeled(self) -> bool:
        return self.unlabeled > 0


SETTINGS = DistillSettings


def files(settings: DistillSettings) -> tuple[str, ...]:
    """Another checkpoint, where one is the student."""
    return () if settings.student is None or settings.static else (settings.student,)


def passes(settings: DistillSettings) -> Effort:
    """The effort with what the recipe gives laid over it."""
    effort = EFFORTS[settings.effort]
    epochs = effort.epochs * (STATIC_EPOCHS if settings.static else 1)
    return Effort(
        epochs=epochs if settings.epochs is None else settings.epochs,
        augment=effort.augment if settings.augment is None else settings.augment,
    )


def check(settings: DistillSettings, planned: Planned) -> None:
    """Raises RecipeError where nothing can teach, or the student does not suit the teacher."""
    place = planned.place
    for name in ("train", "validation"):
        if not getattr(planned.dataset, name):
            raise RecipeError(f"{place}: distill needs labelled rows in data.{name}; add the file.")
    if planned.description.is_writer:
        return _check_writer(settings, planned)
    if planned.recipe.task == "summarization" or settings.decoder_layers is not None:
        raise RecipeError(
            f"{place}: {planned.description.model_type} has no decoder that could learn to write; "
            "take an encoder-decoder, or remove what is for one."
        )
    if planned.description.labels is None:
        raise RecipeError(
            f"{place}: the model has no classification head yet, and a teacher needs one; put the "
            "step finetune before distill."
        )
    if settings.static and planned.description.model_type == STATIC:
        raise RecipeError(
            f"{place}: the model is a static student already; drop 'student' to teach it further."
        )
    if settings.layers is not None:
        _check_layers(settings.layers, planned)
    if settings.student is not None and not settings.static:
        _check_student(settings.student, planned)


def after(settings: DistillSettings, planned: Planned) -> Planned:
    """The student, and how much faster than the checkpoint it will be."""
    before = planned.description
    if before.is_writer:
        kept = min(settings.decoder_layers or before.decoder_layers, before.decoder_layers)
        return layers.shortened(planned, encoder=before.layers, decoder=kept)
    student = _student(settings, planned)
    faster = (student.layers * student.hidden**2) / max(1, before.layers * before.hidden**2)
    if settings.static:
        faster = STATIC_SHARE
    return replace(planned, description=student, rates=planned.rates.scaled(faster))


def cost(settings: DistillSettings, planned: Planned) -> Cost:
    """The teacher's answers, then forward and backward of every epoch."""
    teacher, rates, tokens = planned.teacher or planned.description, planned.rates, planned.tokens
    student = after(settings, planned)
    effort = passes(settings)
    used = min(settings.unlabeled, len(planned.dataset.unlabeled))
    per_text = tokens.train / max(1, len(planned.dataset.train))
    writes = planned.description.is_writer
    learnt = (tokens.train + used * per_text) * (1 if writes else 1 + effort.augment)
    # Rates were measured on a model of the recipe's first checkpoint, the teacher's shape.
    slower = teacher.layers / max(1, planned.description.layers)
    asked = (learnt + tokens.validation) * slower
    if settings.static:
        asked += 3 * planned.description.vocabulary  # each piece alone, between two special ones
    teaching = asked * rates.forward_seconds_per_token
    learning = effort.epochs * (
        learnt * student.rates.train_seconds_per_token
        + tokens.validation * student.rates.forward_seconds_per_token
    )
    if settings.max_minutes is not None:
        learning = min(learning, settings.max_minutes * 60)
    trained = student.description.parameters
    if not writes and frozen(settings, student.description.vocabulary):
        trained -= student.description.embedding_parameters
    activations = student.activation_bytes(settings.batch_size)
    lesson = round(learnt / max(1.0, per_text)) * 2 * (len(teacher.labels or ()) + teacher.hidden)
    # The teacher leaves before the student learns: its weights, or the student's with gradients,
    # two moments, the best copy and one more while saving.
    weights = max(teacher.fp32_bytes, student.description.fp32_bytes + 4 * trained * 5)
    return Cost(
        seconds=teaching + learning + 2 * rates.load_seconds,
        peak_bytes=rates.torch_bytes + weights + activations + 2 * lesson,
        disk_bytes=student.description.fp32_bytes + 4 * trained * 4 + lesson,
    )


def run(settings: DistillSettings, job: Job) -> dict[str, Any]:
    """Teaches, writes the student into `job.out`, returns how near it came to the teacher."""
    # torch comes only now, so that a recipe is read and refused at once.
    if job.description.is_writer:
        from edgekit.steps.distill.seq2seq import run as distilling_writer

        return distilling_writer.distill(settings, job)
    from edgekit.steps.distill.encoder import run as distilling

    return distilling.distill(settings, job)


def frozen(settings: DistillSettings, vocabulary: int) -> bool:
    if settings.freeze_embeddings is not None:
        return settings.freeze_embeddings
    return vocabulary >= 60_000 and not settings.static


def static_width(settings: DistillSettings, hidden: int) -> int:
    """The principal components of the checkpoint's states are as many as the states are wide."""
    return min(settings.width or 256, hidden)


def _static(settings: DistillSettings, before: Description) -> Description:
    width = static_width(settings, before.hidden)
    table = before.vocabulary * width
    # The layer that sees three neighbours, and the head.
    rest = 3 * width**2 + 2 * width * STATIC_HEAD + STATIC_HEAD * len(before.labels or ())
    return replace(
        before,
        model_type=STATIC,
        layers=1,
        hidden=width,
        heads=1,
        ffn=STATIC_HEAD,
        parameters=table + rest,
        embedding_parameters=table,
    )


def _check_writer(settings: DistillSettings, planned: Planned) -> None:
    """What is for classifiers would be ignored in silence."""
    known = {
        "batch_size", "decoder_layers", "effort", "epochs", "learning_rate", "max_minutes",
        "patience", "unlabeled",
    }  # fmt: skip
    strange = sorted(settings.model_fields_set - known)
    if strange:
        raise RecipeError(
            f"{planned.place}: distill knows '{strange[0]}' for classifiers alone, and "
            f"{planned.description.model_type} writes summaries; remove it."
        )


def _check_layers(wanted: int | list[int], planned: Planned) -> None:
    found = planned.description
    if found.model_type == STATIC:
        raise RecipeError(
            f"{planned.place}: a static model has no layers to choose from; drop 'layers'."
        )
    if not isinstance(wanted, list):
        return
    if wanted[-1] >= found.layers:
        raise RecipeError(
            f"{planned.place}: distill keeps layer {wanted[-1]}, and the model has the layers 0 to "
            f"{found.layers - 1}; choose among them."
        )
    if ARCHITECTURES[found.model_type].shared:
        raise RecipeError(
            f"{planned.place}: all layers of {found.model_type} are one and the same; give "
            "'layers' a count instead of numbers."
        )
    if found.model_type == "modernbert" and wanted[0] != 0:
        raise RecipeError(
            f"{planned.place}: the first layer of modernbert is unlike the others and must stay; "
            "begin 'layers' with 0."
        )


def _check_student(student: str, planned: Planned) -> None:
    """The student must give the teacher's labels, in the teacher's order, to the same windows."""
    found, place = describe(planned.resolve(student)), planned.place
    wanted = planned.description.labels or ()
    if found.labels is not None and found.labels != wanted:
        if sorted(found.labels) == sorted(wanted):
            at = next(n for n, label in enumerate(wanted) if found.labels[n] != label)
            raise RecipeError(
                f"{place}: the student {student} has the teacher's labels in another order (number "
                f"{at} is '{found.labels[at]}' instead of '{wanted[at]}'); take a student without "
                "a head, or mend id2label and the head's rows."
            )
        strange = sorted(set(found.labels) ^ set(wanted))[0]
        raise RecipeError(
            f"{place}: the student {student} has other labels than the teacher (only one of them "
            f"knows '{strange}'); take a student without a head."
        )
    window = planned.recipe.max_tokens or planned.description.max_tokens
    if found.max_tokens < window:
        raise RecipeError(
            f"{place}: the student {student} reads {found.max_tokens} tokens at once, and the "
            f"recipe's window is {window}; set max_tokens: {found.max_tokens}."
        )


def _student(settings: DistillSettings, planned: Planned) -> Description:
    """The student as it will be."""
    before = planned.description
    if settings.static:
        return _static(settings, before)
    if settings.student is not None:
        other = describe(planned.resolve(settings.student))
        # A fresh head is a layer as wide as the model, and the labels'.
        head = other.hidden * (other.hidden + len(before.labels or ())) if not other.labels else 0
        return replace(other, labels=before.labels, parameters=other.parameters + head)
    if settings.layers is None:
        return before
    kept = len(kept_layers(settings.layers, before.layers))
    body = before.parameters - before.embedding_parameters
    gone = 0 if ARCHITECTURES[before.model_type].shared else body - body * kept // before.layers
    return replace(before, layers=kept, parameters=before.parameters - gone)

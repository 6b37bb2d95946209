"""`distill`: the teacher of a recipe teaches a smaller student. Light until it runs."""

from __future__ import annotations

import math
from dataclasses import replace

from edgekit.checkpoint.describe import STATIC, Description, describe
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.errors import RecipeError
from edgekit.job.cost import Cost
from edgekit.job.job import Planned
from edgekit.steps.distill import settings as settings_of_all
from edgekit.steps.distill.settings import DistillSettings, passes
from edgekit.steps.layers import check_there, kept_layers

VERSION = 3


STATIC_HEAD = 256
# Share of the time that a model of twelve layers takes; measured.
STATIC_SHARE = 0.05
# How many layers a student that keeps too little gets instead, and the most of the checkpoint's.
MORE, MOST = 1.5, 2 / 3


SETTINGS = DistillSettings


def check(settings: DistillSettings, planned: Planned) -> None:
    """Raises RecipeError where nothing can teach, or the student does not suit the teacher."""
    place = planned.place
    settings_of_all.check_rows(planned)
    if settings.decoder_layers is not None:
        raise RecipeError(
            f"{place}: {planned.description.model_type} has no decoder that could learn to write; "
            "take an encoder-decoder, or remove 'decoder_layers'."
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
    student = _student(settings, planned)
    faster = (student.layers * student.hidden**2) / max(1, before.layers * before.hidden**2)
    if settings.static:
        faster = STATIC_SHARE
    return replace(planned, description=student, rates=planned.rates.scaled(faster))


def more_layers(settings: DistillSettings, layers: int) -> int | None:
    """How many of the checkpoint's `layers` the next student has; None after the last."""
    if settings.keep is None or not isinstance(settings.layers, int):
        return None
    count = min(math.ceil(settings.layers * MORE), math.floor(layers * MOST))
    return count if count > settings.layers else None


def cost(settings: DistillSettings, planned: Planned) -> Cost:
    """The teacher's answers, then forward and backward passes of every epoch, for one student."""
    found = _cost(settings, planned)
    students, total = [settings], 0.0
    while (count := more_layers(students[-1], planned.description.layers)) is not None:
        students.append(settings.model_copy(update={"layers": count}))
        total += _cost(students[-1], planned).seconds
    if len(students) == 1:
        return found
    return replace(
        found,
        note=f"distill teaches layers: {settings.layers}, and more where that keeps less than "
        f"{settings.keep:.1%} of the teacher's score on the validation rows: at most layers: "
        f"{students[-1].layers}, which takes {total / 60:.0f} minutes more.",
    )


def _cost(settings: DistillSettings, planned: Planned) -> Cost:
    student = after(settings, planned)
    trained = student.description.parameters
    if frozen(settings, student.description.vocabulary):
        trained -= student.description.embedding_parameters
    return settings_of_all.cost(
        settings,
        planned,
        student,
        copies=passes(settings).augment,
        # Each piece alone, between two special ones.
        more_asked=3 * planned.description.vocabulary if settings.static else 0,
        trained=trained,
    )


def frozen(settings: DistillSettings, vocabulary: int) -> bool:
    if settings.freeze_embeddings is not None:
        return settings.freeze_embeddings
    return vocabulary >= 60_000 and not settings.static


def static_width(settings: DistillSettings, hidden: int) -> int:
    """Capped at the checkpoint's hidden width: its states have no more principal components."""
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


def _check_layers(wanted: int | list[int], planned: Planned) -> None:
    found = planned.description
    if found.model_type == STATIC:
        raise RecipeError(
            f"{planned.place}: a static model has no layers to choose from; drop 'layers'."
        )
    check_there(wanted, planned, keeps="distill keeps")
    if not isinstance(wanted, list):
        return
    if ENCODERS[found.model_type].shared:
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
    if found.labels is not None and found.several_labels is not planned.dataset.several:
        raise RecipeError(
            f"{place}: one of teacher and student ({student}) gives a text one label and the other "
            "several, by 'problem_type' of config.json; take a student without a head."
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
        # A fresh head is a layer as wide as the model, and one for the labels.
        head = other.hidden * (other.hidden + len(before.labels or ())) if not other.labels else 0
        return replace(
            other,
            labels=before.labels,
            several_labels=before.several_labels,
            parameters=other.parameters + head,
        )
    if settings.layers is None:
        return before
    kept = len(kept_layers(settings.layers, before.layers))
    body = before.parameters - before.embedding_parameters
    gone = 0 if ENCODERS[before.model_type].shared else body - body * kept // before.layers
    return replace(before, layers=kept, parameters=before.parameters - gone)

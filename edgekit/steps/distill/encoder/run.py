"""The heavy half of `distill` for encoders: the texts, the student, the loss, and how near it came.

The head decides what the answers teach. Hidden states are matched as means over each text's tokens,
so that the student may have another tokenizer; where widths differ, the similarities between the
texts of a batch are matched instead (Tung and Mori 2019, arXiv 1907.09682).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from edgekit.checkpoint import layers, models
from edgekit.checkpoint.describe import STATIC, describe
from edgekit.data.rows import Row
from edgekit.job.job import Job
from edgekit.steps.distill import schedule
from edgekit.steps.distill.encoder import static_start
from edgekit.steps.distill.encoder.plan import frozen, more_layers, static_width
from edgekit.steps.distill.settings import DistillSettings, passes
from edgekit.steps.layers import kept_layers
from edgekit.store.store import PROGRESS
from edgekit.training import predict, teacher
from edgekit.training.augmentation import augment
from edgekit.training.batches import Example
from edgekit.training.head import Head, head_of
from edgekit.training.loop import Loss, Model, Trained, Training
from edgekit.training.predict import Answers

STATIC_RATE = 2e-3
# Differences between hidden states are far smaller numbers than those between answers.
STATE_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """The texts that teach, and what the teacher says of them and of the validation rows."""

    rows: list[Row]
    """Without a label where nobody labelled the text."""
    answers: Answers
    """The teacher's answers to `rows`."""
    judged: np.ndarray
    """The teacher's logits for the validation rows."""


def run(settings: DistillSettings, job: Job) -> dict[str, Any]:
    """Teaches the student of `settings`, writes it into `job.out`, returns the step's record."""
    head = head_of(job)
    lesson = _lesson(settings, job)
    torch.manual_seed(job.recipe.seed)  # a fresh head
    student, source = _student(settings, job, lesson)
    if frozen(settings, student.config.vocab_size):
        student.get_input_embeddings().weight.requires_grad_(False)
    nn.Module.to(student, job.device)
    encoder = job.encoder(source)
    validation = head.examples(encoder, job.dataset.validation)

    def answer() -> np.ndarray:
        return head.answers(student, validation, rows=len(lesson.judged)).logits

    static = _static(settings, job)
    trained = Training(
        student,
        head.examples(encoder, lesson.rows),
        # Pieces that occur in no text must stay as they began, so that they keep a meaning.
        schedule=schedule.make(
            settings,
            job,
            rate=STATIC_RATE if static else schedule.RATE,
            weight_decay=0.0 if static else schedule.WEIGHT_DECAY,
        ),
        loss=_loss(settings, head, lesson),
        score=lambda: nearness(head, answer(), lesson.judged),
        folder=job.out / PROGRESS,
        crew=job.crew,
    ).run(job.on_progress)
    found = answer()
    nn.Module.to(student, "cpu")
    models.save(student, job.out, source=source)
    return _record(settings, job, lesson, found, trained)


def nearness(head: Head, found: np.ndarray, wanted: np.ndarray) -> float:
    """The share of rows both answer alike; on a tie the smaller divergence wins."""
    alike = float(head.alike(found, wanted).mean())
    # Less than one row's share, whatever the divergence.
    return alike + np.exp(-max(0.0, head.divergence(found, wanted))) / (2 * len(wanted))


def _lesson(settings: DistillSettings, job: Job) -> Lesson:
    """All texts that teach: the rows, texts without labels, and what is made from both."""
    dataset = job.dataset
    unlabeled = list(dict.fromkeys(dataset.unlabeled))[: settings.unlabeled]
    given = [(row.input, row.language) for row in dataset.train]
    given += [(text, None) for text in unlabeled]
    judged = [row.input for row in dataset.validation]
    made = augment(
        given, copies=passes(settings).augment, seed=job.recipe.seed, taken=frozenset(judged)
    )
    rows = [*dataset.train, *(Row.of(one) for one in (*unlabeled, *made))]
    states = settings.match_states > 0 and not _static(settings, job)
    answers = teacher.answers(job, [*(row.input for row in rows), *judged], states=states)
    wanted = answers.logits[len(rows) :].astype(np.float32)
    head_of(job).check(wanted, dataset.validation)
    return Lesson(rows, answers.first(len(rows)), wanted)


def _student(settings: DistillSettings, job: Job, lesson: Lesson) -> tuple[PreTrainedModel, Path]:
    """The model that learns, and the folder from which its tokenizer and licence come."""
    if settings.static:
        width = static_width(settings, job.description.hidden)
        texts = [row.text for row in lesson.rows]
        return static_start.make(job, texts, width=width), job.checkpoint
    if settings.student is not None:
        folder = job.resolve(settings.student)
        return head_of(job).load(folder), folder
    kept = kept_layers(settings.layers or job.description.layers, job.description.layers)
    whole = head_of(job).load(job.checkpoint)
    if len(kept) == job.description.layers:
        return whole, job.checkpoint
    return layers.keep_layers(whole, kept), job.checkpoint


def _static(settings: DistillSettings, job: Job) -> bool:
    """Whether the student has no layers, and so no hidden states to match."""
    if settings.static or settings.student is None:
        return settings.static or job.description.model_type == STATIC
    return describe(job.resolve(settings.student)).model_type == STATIC


def _loss(settings: DistillSettings, head: Head, lesson: Lesson) -> Loss:
    states = lesson.answers.states
    learn = head.lesson_loss(
        lesson.answers.logits,
        temperature=settings.temperature,
        hard_labels=settings.hard_labels,
    )

    def loss(model: Model, inputs: Mapping[str, Any], part: Sequence[Example]) -> torch.Tensor:
        output = model(**inputs, output_hidden_states=states is not None)
        total = learn(head.logits(output, inputs), part)
        if states is not None:
            found = predict.mean_state(output.hidden_states[-1].float(), inputs["attention_mask"])
            wanted = torch.from_numpy(states[[example.row for example in part]])
            distance = _distance(found, wanted.to(found.device).float())
            total = total + settings.match_states * STATE_SCALE * distance
        return total

    return loss


def _distance(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """How far apart states of shape (texts, width) are; of their similarities, if widths differ."""
    if found.shape == wanted.shape:
        return functional.mse_loss(found, wanted)
    found, wanted = (functional.normalize(states, dim=-1) for states in (found, wanted))
    return functional.mse_loss(found @ found.T, wanted @ wanted.T)


def _record(
    settings: DistillSettings, job: Job, lesson: Lesson, found: np.ndarray, trained: Trained
) -> dict[str, Any]:
    """What the student learnt from, and how often it agrees on the validation rows, by language."""
    head, rows = head_of(job), job.dataset.validation
    alike = head.alike(found, lesson.judged)
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.language or "", []).append(place)
    score, teachers = head.score(found, rows), head.score(lesson.judged, rows)
    again, note = _again(settings, job, score / max(teachers, 1e-9))
    return {
        **again,
        "after": {
            "texts": len(lesson.rows),
            "best_epoch": trained.best_epoch,
            f"validation_{head.metric}": round(score, 6),
        },
        "proof": {
            "rows": len(rows),
            "agreement": round(float(alike.mean()), 6),
            f"teacher_{head.metric}": round(teachers, 6),
            "by_language": {
                name: {"rows": len(part), "agreement": round(float(alike[part].mean()), 6)}
                for name, part in sorted(places.items())
                if name
            },
        },
        "notes": [*_notes(settings, job, lesson), *trained.notes, *note],
        "training": asdict(trained),
    }


def _again(
    settings: DistillSettings, job: Job, kept: float
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings of the next student, where this one kept too little, and what was found."""
    if settings.keep is None:
        return {}, ()
    said = (
        f"layers: {settings.layers} keeps {kept:.1%} of the teacher's score on the validation rows"
    )
    if kept >= settings.keep:
        return {}, (said,)
    said += f", and {settings.keep:.1%} is asked"
    count = more_layers(settings, job.description.layers)
    if count is None:
        return {}, (f"{said}; no more layers are tried",)
    wider = settings.model_copy(update={"layers": count}).model_dump(mode="json")
    return {"again": wider}, (f"{said}; layers: {count} is taught instead",)


def _notes(settings: DistillSettings, job: Job, lesson: Lesson) -> list[str]:
    """What a reader of the settings alone would not expect."""
    notes = []
    before = job.description.layers
    wanted = settings.layers
    if wanted is not None and len(kept_layers(wanted, before)) == before:
        notes.append(f"all {before} layers stay: the checkpoint has no more")
    matched = lesson.answers.states is not None or _static(settings, job)
    if settings.match_states and not matched:
        notes.append("hidden states were not matched: the teacher's would take too much memory")
    return notes

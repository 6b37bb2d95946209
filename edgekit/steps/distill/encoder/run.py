"""The heavy half of `distill`: the texts, the student, the loss, and how near it came.

Answers with temperature after Hinton et al. 2015 (arXiv 1503.02531). Hidden states are matched as
means over each text's tokens, so that the student may have another tokenizer; where widths differ,
the similarities between the texts of a batch are (Tung and Mori 2019, arXiv 1907.09682).
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
from edgekit.job.job import Job
from edgekit.runtime.numerics import kl_divergence
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.distill.encoder import static_start
from edgekit.steps.distill.encoder.plan import frozen, static_width
from edgekit.steps.distill.settings import DistillSettings, passes
from edgekit.steps.layers import kept_layers
from edgekit.store.store import PROGRESS
from edgekit.system import devices
from edgekit.tasks.classification import answer as classification
from edgekit.training import losses, predict
from edgekit.training import teacher as teaching
from edgekit.training.augmentation import augment
from edgekit.training.batches import Example, examples
from edgekit.training.loop import Classifier, Loss, Schedule, Trained, Training

RATE, STATIC_RATE = 5e-4, 2e-3
# Differences of hidden states are far smaller numbers than those of answers.
STATE_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """The texts that teach, and what the teacher says of them and of the validation rows."""

    texts: list[str]
    labels: list[int]
    """Of the rows; -1 for texts that nobody labelled."""
    answers: teaching.Answers
    """Of `texts`."""
    judged: np.ndarray
    """The teacher's logits of the validation rows."""


def run(settings: DistillSettings, job: Job) -> dict[str, Any]:
    """Teaches the student of `settings`, writes it into `job.out`, returns what it came to."""
    lesson = _lesson(settings, job)
    torch.manual_seed(job.recipe.seed)  # a fresh head
    student, source = _student(settings, job, lesson)
    if frozen(settings, student.config.vocab_size):
        student.get_input_embeddings().weight.requires_grad_(False)
    nn.Module.to(student, job.device)
    encoder = TextTokenizer(
        source / "tokenizer.json", prefix=job.recipe.prefix, max_tokens=job.max_tokens
    )
    validation = examples(encoder, [row.text for row in job.dataset.validation])

    def answer() -> np.ndarray:
        return predict.classify(student, validation, rows=len(lesson.judged))

    trained = Training(
        student,
        examples(encoder, lesson.texts, lesson.labels),
        schedule=_schedule(settings, job),
        loss=_loss(settings, lesson, job.device),
        score=lambda: nearness(answer(), lesson.judged),
        folder=job.out / PROGRESS,
        crew=job.crew,
    ).run(job.on_progress)
    found = answer()
    nn.Module.to(student, "cpu")
    models.save(student, job.out, source=source)
    return _record(settings, job, lesson, found, trained)


def nearness(found: np.ndarray, wanted: np.ndarray) -> float:
    """The share of rows that both answer alike; on a tie the smaller divergence counts for more.

    Both are logits of shape (rows, labels).
    """
    alike = float((found.argmax(axis=1) == wanted.argmax(axis=1)).mean())
    divergence = float(kl_divergence(wanted, found).mean())
    # Less than one row's share, whatever the divergence.
    return alike + np.exp(-max(0.0, divergence)) / (2 * len(wanted))


def _lesson(settings: DistillSettings, job: Job) -> Lesson:
    """All texts that teach: the rows, texts without labels, and what is made of both."""
    dataset = job.dataset
    unlabeled = list(dict.fromkeys(dataset.unlabeled))[: settings.unlabeled]
    given = [(row.text, row.language) for row in dataset.train]
    given += [(text, None) for text in unlabeled]
    judged = [row.text for row in dataset.validation]
    made = augment(
        given, copies=passes(settings).augment, seed=job.recipe.seed, taken=frozenset(judged)
    )
    texts = [text for text, _ in given] + made
    labels = dataset.numbers(dataset.train)
    states = settings.match_states > 0 and not _static(settings, job)
    answers = teaching.answers(job, [*texts, *judged], states=states)
    wanted = answers.logits[len(texts) :].astype(np.float32)
    teaching.check_better_than_chance(wanted, np.array(dataset.numbers(dataset.validation)))
    return Lesson(
        texts=texts,
        labels=labels + [-1] * (len(texts) - len(labels)),
        answers=answers.first(len(texts)),
        judged=wanted,
    )


def _student(settings: DistillSettings, job: Job, lesson: Lesson) -> tuple[PreTrainedModel, Path]:
    """The model that learns, and the folder that its tokenizer and licence come from."""
    if settings.static:
        width = static_width(settings, job.description.hidden)
        return static_start.make(job, lesson.texts, width=width), job.checkpoint
    if settings.student is not None:
        folder = job.resolve(settings.student)
        fresh = describe(folder).labels is None
        labels = job.dataset.labels if fresh else None
        return models.load_classifier(folder, labels=labels), folder
    kept = kept_layers(settings.layers or job.description.layers, job.description.layers)
    if len(kept) == job.description.layers:
        return models.load_classifier(job.checkpoint), job.checkpoint
    return layers.keep_layers(job.checkpoint, kept), job.checkpoint


def _static(settings: DistillSettings, job: Job) -> bool:
    """Whether the student has no layers, and so no hidden states to match."""
    if settings.static or settings.student is None:
        return settings.static or job.description.model_type == STATIC
    return describe(job.resolve(settings.student)).model_type == STATIC


def _loss(settings: DistillSettings, lesson: Lesson, device: str) -> Loss:
    temperature = settings.temperature
    states = lesson.answers.states

    def loss(model: Classifier, inputs: Mapping[str, Any], part: Sequence[Example]) -> torch.Tensor:
        rows = [example.row for example in part]
        output = model(**inputs, output_hidden_states=states is not None)
        logits = output.logits.float()
        wanted = _tensor(lesson.answers.logits[rows], device)
        total = losses.kl(logits, wanted, temperature=temperature) / len(rows)
        total = total + settings.hard_labels * _hard(logits, part)
        if states is not None:
            found = predict.mean_state(output.hidden_states[-1].float(), inputs["attention_mask"])
            distance = _distance(found, _tensor(states[rows], device))
            total = total + settings.match_states * STATE_SCALE * distance
        return total

    return loss


def _hard(logits: torch.Tensor, part: Sequence[Example]) -> torch.Tensor:
    """Cross-entropy with the labels of those that have one, as a mean over all."""
    labels = torch.tensor([example.label for example in part], device=logits.device)
    total = functional.cross_entropy(logits, labels, ignore_index=-1, reduction="sum")
    return total / len(part)


def _distance(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """How far states of shape (texts, width) are apart; their similarities, if widths differ."""
    if found.shape == wanted.shape:
        return functional.mse_loss(found, wanted)
    found, wanted = (functional.normalize(states, dim=-1) for states in (found, wanted))
    return functional.mse_loss(found @ found.T, wanted @ wanted.T)


def _tensor(values: np.ndarray, device: str) -> torch.Tensor:
    return torch.from_numpy(values).to(device).float()


def _schedule(settings: DistillSettings, job: Job) -> Schedule:
    static = _static(settings, job)
    rate = settings.learning_rate or (STATIC_RATE if static else RATE)
    minutes = settings.max_minutes
    return Schedule(
        epochs=passes(settings).epochs,
        batch_size=settings.batch_size,
        accumulate=1,
        learning_rate=rate,
        head_learning_rate=rate,
        warmup=0.1,
        # Pieces that no text holds must stay as they began, so that they go on meaning something.
        weight_decay=0.0 if static else 0.01,
        patience=settings.patience,
        max_seconds=None if minutes is None else minutes * 60,
        seed=job.recipe.seed,
        autocast=devices.autocast_here(job.device),
    )


def _record(
    settings: DistillSettings, job: Job, lesson: Lesson, found: np.ndarray, trained: Trained
) -> dict[str, Any]:
    """What the student learnt from, and how alike it answers the validation rows, by language."""
    rows, labels = job.dataset.validation, job.dataset.labels
    truth = np.array(job.dataset.numbers(rows))
    alike = found.argmax(axis=1) == lesson.judged.argmax(axis=1)
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.language or "", []).append(place)
    scores = {
        name: classification.scores(logits, truth, labels).macro_f1
        for name, logits in (("student", found), ("teacher", lesson.judged))
    }
    return {
        "after": {
            "texts": len(lesson.texts),
            "best_epoch": trained.best_epoch,
            "validation_macro_f1": round(scores["student"], 6),
        },
        "proof": {
            "rows": len(rows),
            "agreement": round(float(alike.mean()), 6),
            "teacher_macro_f1": round(scores["teacher"], 6),
            "by_language": {
                name: {"rows": len(part), "agreement": round(float(alike[part].mean()), 6)}
                for name, part in sorted(places.items())
                if name
            },
        },
        "notes": [*_notes(settings, job, lesson), *trained.notes],
        "training": asdict(trained),
    }


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

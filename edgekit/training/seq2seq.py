"""Trains an encoder-decoder to write given summaries or translations. Knows no step's settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from edgekit.artifact.specs import Frame
from edgekit.checkpoint import frames
from edgekit.data.rows import Row
from edgekit.job.job import Job
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer, load_tokenizer
from edgekit.store.store import PROGRESS
from edgekit.system import devices
from edgekit.training.batches import Example, bucketed, collate
from edgekit.training.loop import Loss, Model, Schedule, Trained, Training

IGNORED = -100
"""What transformers gives to positions that hold no token of a summary."""
SCORED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Lesson:
    """Texts and the summaries to generate for them, as token ids."""

    examples: Sequence[Example]
    cut: int
    """Number of texts longer than the model reads at once; nothing is learnt from their rest."""

    def note(self) -> tuple[str, ...]:
        if not self.cut:
            return ()
        return (
            f"{self.cut} of {len(self.examples)} texts are longer than the model reads at once; "
            "it learnt from their beginnings",
        )


def lesson(job: Job, rows: Sequence[Row], answers: Sequence[str]) -> Lesson:
    """Texts and target answers as token ids; a text that is too long is cut, and counted."""
    both = _tokenizers(job)
    examples, cut = [], 0
    for number, (row, answer) in enumerate(zip(rows, answers, strict=True)):
        reads, writes = both[row.language if job.recipe.directions else None]
        windows = reads.windows(row.text)
        cut += len(windows) > 1
        wanted = writes.windows(answer)[0]
        examples.append(Example(tuple(windows[0]), number, tuple(wanted)))
    return Lesson(examples, cut)


def _tokenizers(job: Job) -> dict[str | None, tuple[TextTokenizer, TextTokenizer]]:
    """What reads texts and what writes answers, by the rows' directions; under None where rows
    have none."""
    framed = frames.of(job.checkpoint, job.recipe.directions)
    size = job.max_tokens
    if not framed:
        plain = TextTokenizer(job.checkpoint / TOKENIZER, max_tokens=size)
        return {None: (job.encoder(job.checkpoint), plain)}
    reads = load_tokenizer(job.checkpoint / TOKENIZER)
    writes = load_tokenizer(frames.target_file(job.checkpoint))
    return {
        name: (
            TextTokenizer(reads, max_tokens=size, frame=frame),
            TextTokenizer(writes, max_tokens=size, frame=_written(frame)),
        )
        for name, frame in framed.items()
    }


def _written(frame: Frame) -> Frame:
    """What is put around a translation that the model is to write."""
    begun = () if frame.first is None else (frame.first,)
    # After the end of a text NLLB once named its language; a translation just ends.
    return Frame(begun, frame.after[:1], None)


def given(job: Job, rows: Sequence[Row]) -> Lesson:
    """The rows' own references."""
    return lesson(job, rows, [str(row.summary) for row in rows])


def learn(
    model: PreTrainedModel,
    job: Job,
    train: Lesson,
    *,
    validation: Lesson,
    schedule: Schedule,
    smoothing: float = 0.0,
) -> Trained:
    """Cross-entropy of every token. The score is the likelihood of the validation summaries."""
    nn.Module.to(model, job.device)

    def score() -> float:
        return likelihood(model, validation.examples)

    trained = Training(
        model,
        train.examples,
        schedule=schedule,
        loss=_loss(train.examples, smoothing),
        score=score,
        folder=job.out / PROGRESS,
        crew=job.crew,
    ).run(job.on_progress)
    nn.Module.to(model, "cpu")
    return replace(trained, notes=(*trained.notes, *train.note()))


def likelihood(model: PreTrainedModel, examples: Sequence[Example]) -> float:
    """Geometric mean of the probability that the model gives a summary's token: between 0 and 1."""
    return math.exp(-_mean_loss(model, examples))


def _loss(examples: Sequence[Example], smoothing: float) -> Loss:
    # Divided by a constant that no batch decides: else the split into micro-batches would matter.
    mean_pieces = sum(len(one.target) for one in examples) / max(1, len(examples))

    def loss(model: Model, inputs: Mapping[str, Any], part: Sequence[Example]) -> torch.Tensor:
        labels = _labels(part, model.device)
        logits = model(**inputs, labels=labels).logits.float()
        total = functional.cross_entropy(
            logits.flatten(0, 1),
            labels.flatten(),
            ignore_index=IGNORED,
            label_smoothing=smoothing,
            reduction="sum",
        )
        return total / (mean_pieces * len(part))

    return loss


def _mean_loss(model: PreTrainedModel, examples: Sequence[Example]) -> float:
    """Per token, in nats."""
    total, pieces = 0.0, 0
    pad = int(model.config.pad_token_id or 0)
    device: Any = model.device
    with torch.inference_mode():
        for numbers in bucketed(examples, size=SCORED_AT_ONCE, seed=(0,)):
            part = [examples[number] for number in numbers]
            inputs = collate(part, pad=pad, device=device)
            labels = _labels(part, device)
            logits = model(**inputs, labels=labels, use_cache=False).logits.float()
            total += float(
                functional.cross_entropy(
                    logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
                )
            )
            pieces += sum(len(one.target) for one in part)
    return total / max(1, pieces)


def _labels(part: Sequence[Example], device: torch.device | str) -> torch.Tensor:
    longest = max(len(one.target) for one in part)
    labels = torch.full((len(part), longest), IGNORED, dtype=torch.long)
    for row, one in enumerate(part):
        labels[row, : len(one.target)] = torch.tensor(one.target)
    return devices.send(labels, device)

"""Trains an encoder-decoder to write given summaries. Knows no step's settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from edgekit.data.rows import Row
from edgekit.job.job import Job
from edgekit.runtime.tokens import TOKENIZER, TextTokenizer
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


def lesson(job: Job, texts: Sequence[str], summaries: Sequence[str]) -> Lesson:
    """Texts and target summaries as token ids; a text that is too long is cut, and counted."""
    reads = job.encoder(job.checkpoint)
    writes = TextTokenizer(job.checkpoint / TOKENIZER, max_tokens=job.max_tokens)
    examples, cut = [], 0
    for row, (text, summary) in enumerate(zip(texts, summaries, strict=True)):
        windows = reads.windows(text)
        cut += len(windows) > 1
        wanted = writes.windows(summary)[0]
        examples.append(Example(tuple(windows[0]), row, tuple(wanted)))
    return Lesson(examples, cut)


def given(job: Job, rows: Sequence[Row]) -> Lesson:
    """The rows' own summaries."""
    return lesson(job, [row.text for row in rows], [str(row.summary) for row in rows])


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

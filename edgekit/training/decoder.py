"""Trains a decoder on windows of tokens. Knows no recipe step and no loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.checkpoint.decoders import DECODERS
from edgekit.data.rows import Row
from edgekit.errors import StepError
from edgekit.job.job import Job
from edgekit.store.store import PROGRESS
from edgekit.system import devices
from edgekit.tables import Family
from edgekit.training import adapters, decoder_settings, windows
from edgekit.training.batches import Example, collate
from edgekit.training.decoder_settings import HELD_TOKENS, JUDGED_TOKENS, WINDOW, DecoderSettings
from edgekit.training.loop import Loss, Model, Schedule, Trained, Training
from edgekit.training.losses import Scores
from edgekit.training.windows import Window

TokenLoss = Callable[[Scores, torch.Tensor, Sequence[int]], torch.Tensor]
"""Sum of the loss over the tokens of the windows with the given numbers, from the scores and the
hidden states of every token that has a successor, window after window."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Windows to learn from, and windows to judge by."""

    taught: list[Window]
    judged: list[Window]


def read_texts(
    settings: DecoderSettings, job: Job, rows: Sequence[Row], *, answers: bool = False
) -> Texts:
    """Windows of the training and the validation rows, equally many tokens of each language.

    With `answers` they mark the tokens that the model itself writes. Raises StepError where no row
    has two tokens.
    """
    found = job.description
    reader = windows.reader(job.checkpoint, model_type=found.model_type, rows=found.vocabulary)

    def some(given: Sequence[Row], tokens: int, name: str) -> list[Window]:
        size, seed = min(WINDOW, job.max_tokens), job.recipe.seed
        read = windows.choose(reader, given, size=size, tokens=tokens, seed=seed, answers=answers)
        if not read:
            raise StepError(f"no text of {name} has two tokens; give longer texts.")
        return read

    return Texts(
        some(rows, settings.tokens, "data.train"),
        some(job.dataset.validation, JUDGED_TOKENS, "data.validation"),
    )


class Trainer:
    """A checkpoint in training, judged by a loss on the validation windows."""

    def __init__(self, settings: DecoderSettings, job: Job, texts: Texts) -> None:
        self.settings, self.job, self.texts = settings, job, texts
        torch.manual_seed(job.recipe.seed)  # a fresh adapter
        self.model = load(job.checkpoint, device=job.device, trains=True)
        self.tuned: Model = self.model
        if settings.freeze_embeddings:
            self.model.get_input_embeddings().weight.requires_grad_(False)
        if settings.lora is not None:
            self.tuned = adapters.add_lora(self.model, settings.lora, family=Family.DECODER)
            nn.Module.to(self.tuned, job.device)
        self.scores = scores_of(self.model)

    def judge(self, loss: TokenLoss) -> float:
        """The mean of a loss over the tokens of the validation windows."""
        return mean(self.model, self.scores, self.texts.judged, loss)

    def train(self, loss: TokenLoss, judge: TokenLoss) -> Trained:
        """Trains on `loss` and keeps the weights of the epoch that scores best by `judge`."""
        taught = [Example(one.ids, number) for number, one in enumerate(self.texts.taught)]
        # Tokens weigh alike: a window's loss is divided by the mean number of tokens in a window.
        average = sum(len(one.ids) - 1 for one in taught) / len(taught)

        def mean_loss(_: Model, inputs: Mapping[str, Any], part: Sequence[Example]) -> torch.Tensor:
            found = states(self.model, inputs)
            total = loss(self.scores, found, [one.row for one in part])
            return total / (average * len(part))

        return self._training(taught, mean_loss, judge).run(self.job.on_progress)

    def merged(self) -> PreTrainedModel:
        """The trained model, adapter merged, on the CPU."""
        nn.Module.to(self.tuned, "cpu")
        if isinstance(self.tuned, PeftModel):
            return adapters.merge(self.tuned)
        return self.model

    def _training(self, taught: list[Example], loss: Loss, judge: TokenLoss) -> Training:
        return Training(
            self.tuned,
            taught,
            schedule=self._schedule(),
            loss=loss,
            # Higher is better, and above the loop's initial best.
            score=lambda: math.exp(-self.judge(judge)),
            folder=self.job.out / PROGRESS,
            crew=self.job.crew,
        )

    def _schedule(self) -> Schedule:
        settings, minutes = self.settings, self.settings.max_minutes
        held = max(1, min(settings.batch_size, HELD_TOKENS[self.job.device] // WINDOW))
        rate = decoder_settings.rate(settings)
        return Schedule(
            epochs=settings.epochs,
            batch_size=held,
            accumulate=math.ceil(settings.batch_size / held),
            learning_rate=rate,
            head_learning_rate=rate,
            warmup=settings.warmup,
            weight_decay=0.0,
            patience=settings.patience,
            max_seconds=None if minutes is None else minutes * 60,
            seed=self.job.recipe.seed,
            autocast=devices.autocast_here(self.job.device),
        )


def load(folder: Path, *, device: str, trains: bool = False) -> PreTrainedModel:
    """A checkpoint in fp32 on a device."""
    model = models.load_decoder(folder, dtype=torch.float32)
    model.requires_grad_(trains)
    nn.Module.to(model, device)
    return model


def scores_of(model: PreTrainedModel) -> Scores:
    config, architecture = model.config, DECODERS[model.config.model_type]
    factor = 1.0
    if architecture.logit_factor is not None:
        factor *= getattr(config, architecture.logit_factor)
    if architecture.logit_divisor is not None:
        factor /= getattr(config, architecture.logit_divisor)
    limit = getattr(config, "final_logit_softcapping", None)
    return Scores(model.get_output_embeddings(), limit, factor)


def states(model: PreTrainedModel, inputs: Mapping[str, Any]) -> torch.Tensor:
    """Hidden states of every token that has a successor, window after window: (tokens, width)."""
    found = model.get_decoder()(**inputs, use_cache=False).last_hidden_state
    return found[:, :-1][inputs["attention_mask"][:, 1:].bool()]


@torch.no_grad()
def mean(
    model: PreTrainedModel, scores: Scores, judged: Sequence[Window], loss: TokenLoss
) -> float:
    """The mean of a loss over the tokens of windows. Puts the model in eval mode."""
    model.eval()
    total = 0.0
    for part, found in in_batches(model, judged):
        total += float(loss(scores, found, part))
    return total / sum(len(one.ids) - 1 for one in judged)


def in_batches(
    model: PreTrainedModel, given: Sequence[Window]
) -> Iterator[tuple[Sequence[int], torch.Tensor]]:
    """Numbers of neighbouring windows, and the hidden states that the model gives for them."""
    device = next(model.parameters()).device
    precision = devices.autocast_here(device.type)
    for part in _batches(given):
        items = [Example(given[number].ids, number) for number in part]
        inputs = collate(items, pad=0, device=device)
        with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
            yield part, states(model, inputs)


def _batches(given: Sequence[Window]) -> list[list[int]]:
    """Batches of neighbours, each of at most four windows' tokens with their padding."""
    found: list[list[int]] = []
    longest = 0
    for number, one in enumerate(given):
        longest = max(longest, len(one.ids))
        if found and (len(found[-1]) + 1) * longest <= 4 * WINDOW:
            found[-1].append(number)
        else:
            found.append([number])
            longest = len(one.ids)
    return found

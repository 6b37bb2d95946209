"""Runs a checkpoint over texts in torch: in fp32 on the CPU, in half precision on a GPU.

The teacher's side of every comparison is computed here, on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.checkpoint import models
from edgekit.data.inputs import Input
from edgekit.errors import StepError
from edgekit.runtime.tokens import TextTokenizer
from edgekit.system import devices
from edgekit.training.batches import Example, collate, examples
from edgekit.training.loop import Model

BATCH_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model answers to texts."""

    logits: np.ndarray
    """(texts, labels), as the task's head gives them; a long text's windows are combined."""
    states: np.ndarray | None = None
    """(texts, hidden): the means of the last hidden states. None where they were not asked for or
    would be too large."""

    def first(self, count: int) -> Answers:
        return Answers(self.logits[:count], None if self.states is None else self.states[:count])


def logits(
    checkpoint: Path,
    texts: Sequence[Input],
    *,
    prefix: str = "",
    max_tokens: int,
    device: str = "cpu",
    on_progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Logits of shape (texts, labels), float32; a long text's are the mean over its windows."""
    encoder = TextTokenizer(checkpoint / "tokenizer.json", prefix=prefix, max_tokens=max_tokens)
    model = models.load_classifier(checkpoint)
    nn.Module.to(model, device)
    items = examples(encoder, texts)
    return answers(model, items, rows=len(texts), on_progress=on_progress).logits


def embeddings(
    checkpoint: Path,
    texts: Sequence[str],
    *,
    prefix: str = "",
    max_tokens: int,
    on_progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Means of the last hidden states, float32 of shape (texts, hidden); one text at a time."""
    encoder = TextTokenizer(checkpoint / "tokenizer.json", prefix=prefix, max_tokens=max_tokens)
    model = models.load_encoder(checkpoint)
    found = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for number, text in enumerate(texts):
            windows = [
                model(input_ids=torch.tensor([ids])).last_hidden_state[0].mean(dim=0)
                for ids in encoder.windows(text)
            ]
            found[number] = torch.stack(windows).mean(dim=0).numpy()
            if on_progress is not None:
                on_progress((number + 1) / len(texts))
    return found


def answers(
    model: Model,
    items: Sequence[Example],
    *,
    rows: int,
    states: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> Answers:
    """Float32 of shape (rows, …): the means over each row's windows, where a window has one answer.
    Puts the model in eval mode."""
    config: Any = model.config
    total = np.zeros((rows, config.num_labels), dtype=np.float64)
    total_states = np.zeros((rows, config.hidden_size if states else 0), dtype=np.float32)
    counts = np.zeros((rows, 1))

    def add(part: Sequence[Example], inputs: Mapping[str, Any], output: Any) -> None:
        numbers = [item.row for item in part]
        np.add.at(total, numbers, output.logits.float().cpu().numpy())
        np.add.at(counts, numbers, 1)
        if states:
            means = mean_state(output.hidden_states[-1].float(), inputs["attention_mask"])
            np.add.at(total_states, numbers, means.cpu().numpy())

    run(model, items, add, states=states, on_progress=on_progress)
    total_states /= counts
    return Answers((total / counts).astype(np.float32), total_states if states else None)


def mean_state(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over real tokens of hidden states (rows, tokens, hidden): (rows, hidden)."""
    real = mask.unsqueeze(-1).to(states.dtype)
    return (states * real).sum(dim=1) / real.sum(dim=1)


def run(
    model: Model,
    items: Sequence[Example],
    see: Callable[[Sequence[Example], Mapping[str, Any], Any], None],
    *,
    states: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Passes `see` batches of the items, their inputs and the model's output for them, with hidden
    states where these are asked for. Puts the model in eval mode.

    A batch that does not fit the GPU's memory is split in halves. StepError for logits that are
    not finite in half precision.
    """
    model.eval()
    device = next(model.parameters()).device
    precision = devices.autocast_here(device.type)
    pad = int(model.config.pad_token_id or 0)
    done = 0

    def ask(part: Sequence[Example]) -> None:
        inputs = collate(part, pad=pad, device=device, config=model.config)
        cast = torch.autocast(device.type, dtype=precision, enabled=precision is not None)
        with torch.inference_mode(), cast:
            output = model(**inputs, output_hidden_states=states)
        if precision is not None and not output.logits.isfinite().all():
            raise StepError(
                f"the model's answers are no numbers in {precision}; use --device cpu, which "
                "computes in fp32."
            )
        see(part, inputs, output)

    for batch in by_length(items, BATCH_TOKENS):
        devices.in_parts(batch, ask)
        done += len(batch)
        if on_progress is not None:
            on_progress(done / len(items))


def by_length(items: Sequence[Example], most_tokens: int) -> list[list[Example]]:
    """Batches of similar length, each of at most `most_tokens` tokens with its padding."""
    batches: list[list[Example]] = []
    for item in sorted(items, key=lambda item: len(item.ids)):
        if batches and (len(batches[-1]) + 1) * len(item.ids) <= most_tokens:
            batches[-1].append(item)
        else:
            batches.append([item])
    return batches

"""Runs a checkpoint over texts in torch: in fp32 on the CPU, in half precision on a GPU.

The teacher's side of every comparison is computed here, on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.errors import StepError
from edgekit.runtime.tokens import TextTokenizer
from edgekit.system import devices
from edgekit.training.batches import Example, collate, examples

BATCH_TOKENS = 4096


def logits(
    checkpoint: Path,
    texts: Sequence[str],
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
    return classify(model, examples(encoder, texts), rows=len(texts), on_progress=on_progress)


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


def classify(
    model: PreTrainedModel | PeftModel,
    items: Sequence[Example],
    *,
    rows: int,
    on_progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Logits of shape (rows, labels): the mean over each row's windows. Puts the model in eval."""
    return _means(model, items, rows=rows, states=False, on_progress=on_progress)[0]


def classify_with_states(
    model: PreTrainedModel | PeftModel,
    items: Sequence[Example],
    *,
    rows: int,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and the mean of the last hidden states of shape (rows, hidden)."""
    return _means(model, items, rows=rows, states=True, on_progress=on_progress)


def mean_state(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over real tokens of hidden states (rows, tokens, hidden): (rows, hidden)."""
    real = mask.unsqueeze(-1).to(states.dtype)
    return (states * real).sum(dim=1) / real.sum(dim=1)


def _means(
    model: PreTrainedModel | PeftModel,
    items: Sequence[Example],
    *,
    rows: int,
    states: bool,
    on_progress: Callable[[float], None] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The means over each row's windows; states of width 0 where they are not asked for."""
    model.eval()
    device = next(model.parameters()).device
    precision = devices.autocast_here(device.type)
    pad = int(model.config.pad_token_id or 0)
    total = np.zeros((rows, model.config.num_labels), dtype=np.float64)
    total_states = np.zeros((rows, model.config.hidden_size if states else 0), dtype=np.float32)
    counts = np.zeros((rows, 1))
    done = 0

    def add(part: Sequence[Example]) -> None:
        inputs, _ = collate(part, pad=pad, device=device)
        cast = torch.autocast(device.type, dtype=precision, enabled=precision is not None)
        with torch.inference_mode(), cast:
            output = model(**inputs, output_hidden_states=states)
        found = output.logits.float().cpu().numpy()
        if precision is not None and not np.isfinite(found).all():
            raise StepError(
                f"the model's answers are no numbers in {precision}; use --device cpu, which "
                "computes in fp32."
            )
        numbers = [item.row for item in part]
        np.add.at(total, numbers, found)
        np.add.at(counts, numbers, 1)
        if states:
            means = mean_state(output.hidden_states[-1].float(), inputs["attention_mask"])
            np.add.at(total_states, numbers, means.cpu().numpy())

    for batch in _by_length(items):
        devices.in_parts(batch, add)
        done += len(batch)
        if on_progress is not None:
            on_progress(done / len(items))
    total_states /= counts
    return (total / counts).astype(np.float32), total_states


def _by_length(items: Sequence[Example]) -> list[list[Example]]:
    """Batches of like length, each of at most BATCH_TOKENS tokens with its padding."""
    batches: list[list[Example]] = []
    for item in sorted(items, key=lambda item: len(item.ids)):
        if batches and (len(batches[-1]) + 1) * len(item.ids) <= BATCH_TOKENS:
            batches[-1].append(item)
        else:
            batches.append([item])
    return batches

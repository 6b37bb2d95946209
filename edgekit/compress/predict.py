"""Runs a checkpoint over texts in torch fp32; the teacher's side of every comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from edgekit.compress import models
from edgekit.compress.batches import Example, collate, examples
from edgekit.runtime.text import TextEncoder

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
    encoder = TextEncoder(checkpoint / "tokenizer.json", prefix=prefix, max_tokens=max_tokens)
    model = models.load_classifier(checkpoint)
    nn.Module.to(model, device)
    return classify(model, examples(encoder, texts), rows=len(texts), on_progress=on_progress)


def classify(
    model: PreTrainedModel | PeftModel,
    items: Sequence[Example],
    *,
    rows: int,
    on_progress: Callable[[float], None] | None = None,
) -> np.ndarray:
    """Logits of shape (rows, labels): the mean over each row's windows. Puts the model in eval."""
    model.eval()
    device = next(model.parameters()).device
    pad = int(model.config.pad_token_id or 0)
    total = np.zeros((rows, model.config.num_labels), dtype=np.float64)
    counts = np.zeros((rows, 1))
    done = 0
    for batch in _by_length(items):
        inputs, _ = collate(batch, pad=pad, device=device)
        with torch.inference_mode():
            output = model(**inputs).logits.float().cpu().numpy()
        for item, row in zip(batch, output, strict=True):
            total[item.row] += row
            counts[item.row] += 1
        done += len(batch)
        if on_progress is not None:
            on_progress(done / len(items))
    return (total / counts).astype(np.float32)


def _by_length(items: Sequence[Example]) -> list[list[Example]]:
    """Batches of like length, each of at most BATCH_TOKENS tokens with its padding."""
    batches: list[list[Example]] = []
    for item in sorted(items, key=lambda item: len(item.ids)):
        if batches and (len(batches[-1]) + 1) * len(item.ids) <= BATCH_TOKENS:
            batches[-1].append(item)
        else:
            batches.append([item])
    return batches

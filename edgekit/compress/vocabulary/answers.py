"""The answers of a checkpoint, one text at a time, so that equal weights give equal bits. Torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from edgekit.compress import models
from edgekit.compress.checkpoint import describe
from edgekit.runtime.text import TextEncoder

# A checkpoint without a head is compared under a head of chance, the same on both sides.
_NO_HEAD = ("0", "1", "2")


def logits(folder: Path, texts: Sequence[str], *, prefix: str, max_tokens: int) -> list[np.ndarray]:
    """For each text the logits of all its windows, (windows, labels), in fp32 on the CPU.

    Nothing is batched or padded. The weights are copied out of their file, all but the table that
    is only looked up: where in memory a matrix begins decides the last bits of its products.
    """
    encoder = TextEncoder(folder / "tokenizer.json", prefix=prefix, max_tokens=max_tokens)
    torch.manual_seed(0)
    labels = None if describe(folder).labels is not None else _NO_HEAD
    model = models.load_classifier(folder, labels=labels)
    table = model.get_input_embeddings().weight
    for weight in model.parameters():
        if weight is not table:
            weight.data = weight.data.clone()
    found = []
    with torch.inference_mode():
        for text in texts:
            windows = [
                model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].numpy()
                for ids in (torch.tensor([window]) for window in encoder.windows(text))
            ]
            found.append(np.stack(windows))
    return found

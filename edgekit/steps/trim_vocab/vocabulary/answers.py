"""The answers of a checkpoint, one text at a time, so that equal weights give equal bits. Torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.checkpoint import models
from edgekit.data import inputs
from edgekit.data.inputs import Input
from edgekit.job.job import Job
from edgekit.runtime.tokens import TextTokenizer
from edgekit.tables import Family
from edgekit.training.batches import collate, examples
from edgekit.training.head import head_of


def logits(job: Job, folder: Path, texts: Sequence[Input]) -> list[np.ndarray]:
    """For each text the logits of all its windows, (windows, labels), in fp32 on the CPU.

    Nothing is batched or padded. The weights are copied out of their file, all but the table used
    for lookup alone: where a matrix begins in memory decides the last bits of its products.
    """
    encoder = job.encoder(folder)
    if job.description.family is Family.SEQ2SEQ:
        return _states(folder, encoder, inputs.all_texts(texts))
    torch.manual_seed(0)  # a fresh head is the same on both sides
    model = head_of(job).load(folder)
    table = model.get_input_embeddings().weight
    for weight in model.parameters():
        if weight is not table:
            weight.data = weight.data.clone()
    found = []
    with torch.inference_mode():
        for text in texts:
            windows = [
                model(**collate([one], pad=0, device="cpu", config=model.config)).logits[0].numpy()
                for one in examples(encoder, [text])
            ]
            found.append(np.stack(windows))
    return found


def _states(folder: Path, encoder: TextTokenizer, texts: Sequence[str]) -> list[np.ndarray]:
    """For an encoder-decoder: the last hidden states at the start token, (windows, hidden).

    Its logits cannot be compared: it has one for each piece, so trimming changes their number.
    """
    model: Any = models.load_seq2seq(folder)
    tables = {id(one.weight) for one in model.modules() if isinstance(one, nn.Embedding)}
    for weight in model.parameters():
        if id(weight) not in tables:
            weight.data = weight.data.clone()
    start = torch.tensor([[model.generation_config.decoder_start_token_id]])
    found = []
    with torch.inference_mode():
        for text in texts:
            windows = [
                model(
                    input_ids=torch.tensor([window]),
                    decoder_input_ids=start,
                    output_hidden_states=True,
                ).decoder_hidden_states[-1][0, -1]
                for window in encoder.windows(text)
            ]
            found.append(torch.stack(windows).numpy())
    return found

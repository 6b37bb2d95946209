"""The static student before training: what each word piece alone means to the checkpoint.

As in model2vec: every piece goes through the checkpoint by itself, principal components make the
states narrower, and pieces that are everywhere weigh little (Arora et al. 2017, smooth inverse
frequency). A piece that occurs in no text keeps this row, so unseen words still mean something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.checkpoint import answers
from edgekit.checkpoint.describe import read_config
from edgekit.checkpoint.static import StaticConfig, StaticForSequenceClassification
from edgekit.job.job import Job, OnProgress
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.distill.encoder.plan import STATIC_HEAD
from edgekit.store.seal import DONE
from edgekit.system import devices
from edgekit.system.digest import sha256_file
from edgekit.training import predict
from edgekit.training.head import head_of

BATCH = 512
EVERYWHERE = 1e-3
"""Share of the running pieces at which a piece's weight is halved."""


def make(job: Job, texts: Sequence[str], *, width: int) -> StaticForSequenceClassification:
    """A student with the checkpoint's tokenizer and labels, and a fresh head."""
    labels = job.dataset.labels
    config = StaticConfig(
        vocab_size=job.description.vocabulary,
        hidden_size=width,
        intermediate_size=STATIC_HEAD,
        max_position_embeddings=job.max_tokens,
        pad_token_id=read_config(job.checkpoint).get("pad_token_id"),
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
        problem_type=answers.problem(several=job.dataset.several),
    )
    student = StaticForSequenceClassification(config)
    rows = narrowed(_states(job), width) * weights(job, texts)[:, None]
    with torch.no_grad():
        student.get_input_embeddings().weight.copy_(torch.from_numpy(rows))
    return student


def narrowed(states: np.ndarray, width: int) -> np.ndarray:
    """The first `width` principal components of rows, scaled to entries of about 1."""
    centred = states - states.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    rows = centred @ axes[:, ::-1][:, :width]
    return rows / np.sqrt(np.square(rows).mean())


def weights(job: Job, texts: Sequence[str]) -> np.ndarray:
    """Near 1 for rare pieces, small for those that are everywhere; of shape (vocabulary,)."""
    encoder = job.encoder(job.checkpoint)
    counts = np.zeros(job.description.vocabulary)
    found = Counter(piece for text in texts for ids in encoder.windows(text) for piece in ids)
    counts[list(found)] = list(found.values())
    return (EVERYWHERE / (EVERYWHERE + counts / counts.sum())).astype(np.float32)


def _states(job: Job) -> np.ndarray:
    """The checkpoint's mean last state for each piece alone, (vocabulary, hidden); from the store
    if it is there."""
    digests = {
        path.name: sha256_file(path)
        for path in sorted(job.checkpoint.iterdir())
        if path.is_file() and path.name != DONE
    }

    def make(out: Path, on_progress: OnProgress) -> dict[str, Any]:
        np.save(out / "states.npy", _run_pieces(job, on_progress), allow_pickle=False)
        return {"pieces": job.description.vocabulary}

    device = devices.compute_here(job.device).as_text()
    inputs = {**job.common, "checkpoint": digests, "device": device}
    folder = job.run_stored("piece-states", inputs, make).folder
    return np.load(folder / "states.npy", allow_pickle=False).astype(np.float32)


def _run_pieces(job: Job, on_progress: OnProgress) -> np.ndarray:
    model = head_of(job).load(job.checkpoint)
    nn.Module.to(model, job.device)
    [around] = TextTokenizer(job.checkpoint / "tokenizer.json", max_tokens=job.max_tokens).windows(
        ""
    )
    before, behind = around[:-1], around[-1:]
    count = job.description.vocabulary
    states = np.empty((count, job.description.hidden), np.float16)
    for start in range(0, count, BATCH):
        pieces = range(start, min(start + BATCH, count))
        ids = torch.tensor([[*before, piece, *behind] for piece in pieces], device=job.device)
        mask = torch.ones_like(ids)
        with torch.inference_mode():
            output = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        found = predict.mean_state(output.hidden_states[-1].float(), mask)
        states[start : start + len(pieces)] = found.cpu().numpy()
        on_progress(min(1.0, (start + BATCH) / count))
    return states

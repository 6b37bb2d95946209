"""What a teacher predicts after every token, computed once and kept in the step store.

Its most likely pieces are kept, as many as the exported model is judged by, and the mass of the
rest follows from them. So the teacher is asked once for every text, and has left memory when the
student learns; its hidden states would take more disk, and its head would run in every epoch.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.job.job import Job, OnProgress
from edgekit.store.progress import SPENT, load_progress, save_progress
from edgekit.store.store import PROGRESS
from edgekit.system import devices
from edgekit.system.digest import sha256_json
from edgekit.training import decoder, loop
from edgekit.training.losses import CHUNK_BYTES, Scores
from edgekit.training.windows import Window

VERSION = 1
KEPT = 64


@dataclass(frozen=True, slots=True)
class Taught:
    """The most likely next pieces after every token with a successor, window after window."""

    ids: np.ndarray
    """(tokens, kept)"""
    logp: np.ndarray
    """Logarithms of their softened probabilities: half floats of the same shape."""
    starts: np.ndarray
    """Where each window's tokens begin, and where the last one's end."""

    def of(self, numbers: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and logarithms for these windows' tokens, one window after another."""
        parts = [slice(self.starts[number], self.starts[number + 1]) for number in numbers]
        ids, logp = (
            np.concatenate([values[part] for part in parts]) for values in (self.ids, self.logp)
        )
        return torch.from_numpy(ids.astype(np.int64)), torch.from_numpy(logp)


def ask(job: Job, windows: Sequence[Window], *, temperature: float) -> Taught:
    """The teacher's predictions, from the step store if they are there; frees its memory."""
    inputs = {
        **job.common,
        "teacher": job.teacher_digest,
        "device": devices.compute_here(job.device).as_text(),
        "windows": sha256_json([one.ids for one in windows]),
        "temperature": temperature,
        "kept": KEPT,
        "version": VERSION,
    }

    def make(out: Path, on_progress: OnProgress) -> dict[str, Any]:
        found = _ask(job, windows, temperature, out / PROGRESS, on_progress)
        _save(found, len(found.logp), out)
        return {"windows": len(windows), "tokens": len(found.logp)}

    folder = job.run_stored("teacher-predictions", inputs, make).folder
    ids, logp = (
        # Left on disk: only one batch's part is read at a time.
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("ids", "logp")
    )
    return Taught(ids, logp, _starts(windows))


def _ask(
    job: Job, windows: Sequence[Window], temperature: float, progress: Path, on_progress: OnProgress
) -> Taught:
    found = _empty(windows, job.description.vocabulary)
    done, before = 0, 0.0
    if (saved := load_progress(progress)) is not None:
        done, before = int(saved.state["done"]), float(saved.state[SPENT])
        for name in ("ids", "logp"):
            part = np.load(saved.folder / f"{name}.npy", allow_pickle=False)
            getattr(found, name)[: len(part)] = part
    teacher = decoder.load(job.teacher, device=job.device)
    scores = decoder.scores_of(teacher)
    began = last_save = time.monotonic()
    with torch.inference_mode():
        for part, states in decoder.in_batches(teacher, windows[done:]):
            first, last = done + part[0], done + part[-1] + 1
            tokens = slice(found.starts[first], found.starts[last])
            _likeliest(scores, states, temperature, found.ids[tokens], found.logp[tokens])
            on_progress(last / len(windows))
            if time.monotonic() - last_save > loop.SAVE_EVERY_SECONDS:
                last_save = time.monotonic()
                state = {"done": last, SPENT: before + last_save - began}
                save_progress(progress, partial(_save, found, found.starts[last]), state=state)
    return found


def _likeliest(
    scores: Scores, states: torch.Tensor, temperature: float, ids: np.ndarray, logp: np.ndarray
) -> None:
    """Writes into `ids` and `logp`, a few tokens' logits at a time."""
    rows = max(1, CHUNK_BYTES // (4 * scores.head.out_features))
    for start in range(0, len(states), rows):
        part = slice(start, start + rows)
        found = (scores(states[part]) / temperature).log_softmax(dim=-1).topk(ids.shape[1])
        ids[part] = found.indices.cpu().numpy()
        logp[part] = found.values.cpu().numpy()


def _empty(windows: Sequence[Window], vocabulary: int) -> Taught:
    starts = _starts(windows)
    shape = (int(starts[-1]), min(KEPT, vocabulary - 1))
    kind = np.min_scalar_type(vocabulary - 1)
    return Taught(np.zeros(shape, kind), np.zeros(shape, np.float16), starts)


def _starts(windows: Sequence[Window]) -> np.ndarray:
    return np.cumsum([0, *(len(one.ids) - 1 for one in windows)])


def _save(found: Taught, tokens: int, folder: Path) -> None:
    for name in ("ids", "logp"):
        np.save(folder / f"{name}.npy", getattr(found, name)[:tokens], allow_pickle=False)

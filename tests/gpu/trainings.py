"""The training loop on a device in half precision, and where its memory is too small.

A classifier without dropout, so that both sides draw nothing, learns the tiny project's rows.
"""

from __future__ import annotations

import dataclasses
import gc
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.training.batches import Example, collate
from edgekit.training.loop import Trained, Training
from tests.gpu.findings import Finding
from tests.tiny import encoder as tiny
from tests.tiny.training import SCHEDULE

_HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_ROWS, _LENGTH, _BATCH, _HOLDS = 192, 48, 64, 8
_SCHEDULE = dataclasses.replace(
    SCHEDULE, batch_size=_BATCH, accumulate=1, epochs=8, patience=9, learning_rate=3e-3
)
EXAMPLES = [
    Example(
        ids=(0, *(5 + (row % 3) * 7 + place * row % 5 for place in range(_LENGTH)), 2),
        target=(row % 3,),
        row=row,
    )
    for row in range(_ROWS)
]


def in_half_precision(device: str, folder: Path, precision: str) -> list[Finding]:
    """Forward passes in half precision on the device against fp32 on the CPU."""
    checkpoint = _checkpoint(folder)
    wanted, cpu_loss, _ = _train(checkpoint, folder / "cpu", device="cpu")
    found, loss, _ = _train(checkpoint, folder / "device", device=device, half=precision)
    begun = _logits(models.load_classifier(checkpoint), "cpu")
    moved = float((wanted - begun).abs().mean())
    same = float((found.argmax(1) == wanted.argmax(1)).float().mean())
    return [
        Finding("loss after 24 updates", cpu_loss, loss, 0.05),
        Finding("rows with the same label", 1.0, same, 0.02),
        Finding(
            "mean distance of logits, in what training moved them",
            0.0,
            float((found - wanted).abs().mean()) / moved,
            0.1,
        ),
    ]


def where_memory_is_small(device: str, folder: Path) -> list[Finding]:
    """Micro-batches are halved until they fit; the update stays that of the whole batch."""
    checkpoint = _checkpoint(folder)
    wanted, _, whole = _train(checkpoint, folder / "whole", device=device)
    if device == "cuda":
        peaks = []
        for rows in (_HOLDS, _BATCH):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            small = dataclasses.replace(_SCHEDULE, batch_size=rows, epochs=1)
            _train(checkpoint, folder / f"of-{rows}", device=device, schedule=small)
            peaks.append(torch.cuda.max_memory_reserved())
        gc.collect()
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(sum(peaks) / 2 / total)
    holds = _BATCH if device == "cuda" else _HOLDS
    try:
        found, _, trained = _train(checkpoint, folder / "small", device=device, holds=holds)
    finally:
        if device == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0)
    moved = float((wanted - _logits(models.load_classifier(checkpoint), "cpu")).abs().mean())
    halvings = 1.0 if trained.batch_size < whole.batch_size else 0.0
    return [
        Finding("micro-batches were halved (1: yes)", 1.0, halvings, 0.0),
        Finding("rows held at once, with memory and without", whole.batch_size, trained.batch_size),
        Finding(
            "mean distance of logits, in what training moved them",
            0.0,
            float((found - wanted).abs().mean()) / moved,
            1e-3,
        ),
    ]


class _Entropy:
    """Cross-entropy; on the CPU, memory for `holds` rows is made up."""

    def __init__(self, holds: int) -> None:
        self._holds = holds

    def __call__(
        self, model: PreTrainedModel, inputs: Mapping[str, Any], part: Sequence[Example]
    ) -> torch.Tensor:
        if len(part) > self._holds:
            raise torch.cuda.OutOfMemoryError
        logits = model(**inputs).logits.float()
        labels = torch.tensor([one.target[0] for one in part], device=logits.device)
        return nn.functional.cross_entropy(logits, labels)


def _train(
    checkpoint: Path,
    folder: Path,
    *,
    device: str,
    half: str | None = None,
    holds: int = _BATCH,
    schedule: Any = _SCHEDULE,
) -> tuple[torch.Tensor, float, Trained]:
    """The logits of all rows after training, their loss, and what the loop says."""
    model = models.load_classifier(checkpoint)
    nn.Module.to(model, device)
    autocast = None if half is None else _HALVES[half]
    trained = Training(
        model,
        EXAMPLES,
        schedule=dataclasses.replace(schedule, autocast=autocast),
        loss=_Entropy(holds),
        score=iter(range(1, 100)).__next__,  # the last epoch's weights are kept
        folder=folder,
    ).run(lambda fraction: None)
    logits = _logits(model, device)
    labels = torch.tensor([one.target[0] for one in EXAMPLES])
    return logits, float(nn.functional.cross_entropy(logits, labels)), trained


def _logits(model: PreTrainedModel, device: str) -> torch.Tensor:
    model.eval()
    inputs = collate(EXAMPLES, pad=0, device=torch.device(device), config=model.config)
    with torch.no_grad():
        return torch.as_tensor(model(**inputs).logits.float().cpu())


def _checkpoint(folder: Path) -> Path:
    made = folder / "checkpoint"
    made.mkdir(parents=True)
    tiny.make_encoder(made, labels=tiny.LABELS)
    config = made / "config.json"
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config.write_text(json.dumps({**json.loads(config.read_text()), **without}))
    return made

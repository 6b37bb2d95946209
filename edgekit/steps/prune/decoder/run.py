"""The heavy half of `prune` for decoders: measures, removes, and says the cost.

No part of it needs the whole model in memory: any model that fits on the disk can be pruned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoConfig

from edgekit.checkpoint import describe, narrowing, streaming, tensors
from edgekit.checkpoint.decoders import DECODERS, LAYERS, Architecture
from edgekit.checkpoint.narrowing import Part
from edgekit.checkpoint.tensors import Tensor
from edgekit.errors import StepError
from edgekit.job.events import part
from edgekit.job.job import Job, OnProgress
from edgekit.runtime.numerics import kl_divergence
from edgekit.steps.layers import layer_count
from edgekit.steps.prune.decoder.measure import Measured, measure
from edgekit.steps.prune.decoder.plan import (
    PROOF_TOKENS,
    WINDOW,
    PruneSettings,
    grain,
    width,
)
from edgekit.training import windows
from edgekit.training.windows import Reader, Window

# The share of the work that is done once texts have shown what can go, and once it is gone.
MEASURED, WRITTEN = 0.5, 0.6


@dataclass(frozen=True, slots=True)
class Choice:
    """What stays."""

    layers: Sequence[int]
    """Their numbers, in order."""
    neurons: Sequence[np.ndarray | None]
    """Neurons of each of these layers; None where all of them stay."""


def run(settings: PruneSettings, job: Job) -> dict[str, Any]:
    """Writes the pruned checkpoint into `job.out`; returns the step's record."""
    found = job.description
    reader = windows.reader(job.checkpoint, model_type=found.model_type, rows=found.vocabulary)
    removed = found.layers - layer_count(settings.layers, found.layers)
    measured = measure(
        job.checkpoint,
        [one.ids for one in _texts(settings, job, reader)],
        removed=removed,
        on_progress=part(job.on_progress, 0.0, MEASURED),
    )
    chosen = choose(settings, measured)
    write(job.checkpoint, job.out, chosen, on_progress=part(job.on_progress, MEASURED, WRITTEN))
    proof = _compare(job, _judging(job, reader), part(job.on_progress, WRITTEN, 1.0))
    return {
        "after": {"kept_layers": list(chosen.layers), "ffn": width(settings, found.ffn)},
        "proof": proof,
        "notes": _notes(settings, job),
        "distances": [round(float(one), 6) for one in measured.distances],
    }


def choose(settings: PruneSettings, measured: Measured) -> Choice:
    """The block with the least distance goes; in each layer, the neurons of least importance."""
    count, neurons = measured.importance.shape
    layers = list(range(count))
    if isinstance(settings.layers, list):
        layers = settings.layers
    elif removed := count - layer_count(settings.layers, count):
        first = int(np.argmin(measured.distances))
        del layers[first : first + removed]
    kept = width(settings, neurons)
    return Choice(layers, [_best(measured.importance[number], kept) for number in layers])


def write(source: Path, out: Path, chosen: Choice, *, on_progress: OnProgress) -> None:
    """Writes what stays of a checkpoint, as a checkpoint as complete as before."""
    config = describe.read_config(source)
    names = DECODERS[config["model_type"]]
    places = {number: place for place, number in enumerate(chosen.layers)}
    kept: dict[str, Part] = {}
    for name, tensor in tensors.read(source).items():
        if not name.startswith(LAYERS):
            kept[name] = Part(tensor)
            continue
        number, rest = name.removeprefix(LAYERS).split(".", 1)
        if (place := places.get(int(number))) is not None:
            kept[f"{LAYERS}{place}.{rest}"] = _part(tensor, rest, chosen.neurons[place], names)
    narrowing.write(out / "model.safetensors", kept, on_progress=on_progress)
    written = _config(source, config, chosen)
    (out / "config.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    describe.carry(source, out)


def _part(tensor: Tensor, name: str, neurons: np.ndarray | None, names: Architecture) -> Part:
    """What stays of one tensor of a layer."""
    module, _, kind = name.rpartition(".")
    if neurons is None:
        return Part(tensor)
    if module == names.ffn_out and kind == "weight":
        return Part(tensor, columns=neurons)
    if module in names.ffn_in:
        half = tensor.shape[0] // 2
        return Part(tensor, np.concatenate([neurons, half + neurons]) if names.fused else neurons)
    return Part(tensor)


def _config(source: Path, config: Mapping[str, Any], chosen: Choice) -> dict[str, Any]:
    """config.json of what stays, with what each layer's attention does spelled out."""
    # Where config.json does not say it, transformers derives it from the layer's number.
    whole = AutoConfig.from_pretrained(source, local_files_only=True)
    told: dict[str, Any] = {"num_hidden_layers": len(chosen.layers)}
    for key in ("layer_types", "no_rope_layers"):
        if kinds := getattr(whole, key, None):
            told[key] = [kinds[number] for number in chosen.layers]
    if (neurons := chosen.neurons[0]) is not None:
        told["intermediate_size"] = len(neurons)
    return {**config, **told}


def _texts(settings: PruneSettings, job: Job, reader: Reader) -> list[Window]:
    """The windows that decide. Raises StepError where no text has two tokens."""
    rows = windows.training_rows(job.dataset, job.recipe.languages)
    size = min(WINDOW, job.max_tokens)
    found = windows.choose(reader, rows, size=size, tokens=settings.tokens, seed=job.recipe.seed)
    if not found:
        raise StepError("prune: no text of data.train or data.unlabeled has two tokens; give more.")
    return found


def _best(importance: np.ndarray, count: int) -> np.ndarray | None:
    """The numbers of the most important neurons in rising order; None where all stay."""
    if count == len(importance):
        return None
    return np.sort(np.argsort(-importance, kind="stable")[:count])


def _compare(job: Job, judging: Sequence[Window], on_progress: OnProgress) -> dict[str, Any]:
    """How far the pruned model's predictions are from the whole model's, by language."""
    if not judging:
        return {"tokens": 0}
    ids = [one.ids for one in judging]
    before, after = streaming.logits(job.checkpoint, ids), streaming.logits(job.out, ids)
    klds: dict[str, list[np.ndarray]] = {}
    same: list[np.ndarray] = []
    for number, (one, wanted, found) in enumerate(zip(judging, before, after, strict=True), 1):
        klds.setdefault(one.language, []).append(kl_divergence(wanted, found, dtype=np.float64))
        same.append(wanted.argmax(axis=1) == found.argmax(axis=1))
        on_progress(number / len(judging))
    every = np.concatenate([one for own in klds.values() for one in own])
    return {
        "tokens": len(every),
        "kld": round(float(every.mean()), 4),
        "top1": round(float(np.concatenate(same).mean()), 4),
        "by_language": {
            name: {"tokens": sum(map(len, own)), "kld": round(float(np.concatenate(own).mean()), 4)}
            for name, own in sorted(klds.items())
        },
    }


def _judging(job: Job, reader: Reader) -> list[Window]:
    size = min(WINDOW, job.max_tokens)
    rows = job.dataset.validation
    return windows.choose(reader, rows, size=size, tokens=PROOF_TOKENS, seed=job.recipe.seed)


def _notes(settings: PruneSettings, job: Job) -> list[str]:
    """What a reader of the settings alone would not expect."""
    before, notes = job.description, []
    kept = layer_count(settings.layers, before.layers)
    if settings.layers is not None and kept == before.layers:
        notes.append(f"all {before.layers} layers stay: the checkpoint has no more")
    if settings.ffn is not None:
        kept, multiple = width(settings, before.ffn), grain(before.ffn)
        notes.append(
            f"each layer keeps {kept} of {before.ffn} neurons, a multiple of {multiple}: "
            f"{1 - kept / before.ffn:.3g} are gone where {settings.ffn:g} was asked"
        )
    return notes

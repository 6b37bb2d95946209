"""The heavy half of `prune` for encoders: chooses by texts, removes, fits, says what it cost."""

from __future__ import annotations

import copy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint import models, units
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.checkpoint.widths import Widths
from edgekit.job.events import part
from edgekit.job.job import Job, OnProgress
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.layers import layer_count
from edgekit.steps.prune.encoder import (
    calibration,
    choice,
    depth,
    fisher,
    latency,
    magnitude,
    search,
    tuning,
)
from edgekit.steps.prune.encoder.calibration import Calibration
from edgekit.steps.prune.encoder.choice import Choice, Rankings
from edgekit.steps.prune.encoder.plan import (
    DEPTH_WINDOWS,
    MOST_TOKENS,
    PruneSettings,
    fewest_layers,
)
from edgekit.steps.prune.encoder.search import Depths
from edgekit.system import devices, machine
from edgekit.training.head import head_of

JUDGED_ROWS = 1000
# The share of the work that is done once texts have shown what matters, once layers are chosen, and
# once everything is fitted.
SIGNALS, DEPTH, TUNED = 0.25, 0.45, 0.95


def run(settings: PruneSettings, job: Job) -> dict[str, Any]:
    """Writes the pruned checkpoint into `job.out`; returns the step's record."""
    encoder = job.encoder(job.checkpoint)
    original = head_of(job).load(job.checkpoint)
    nn.Module.to(original, job.device)
    judge = _Judge(job, encoder)
    before = judge.check(original)
    texts = _read_texts(settings, job, encoder, original) if settings.reads_texts else None
    chosen, record = _choose(settings, job, original, texts)
    # The embedding table is the largest part, and does not change.
    table = original.get_input_embeddings().weight
    pruned = copy.deepcopy(original, {id(table): table})
    _apply(pruned, chosen, repeated=_repeated(settings, original))
    unchanged = _sizes(pruned) == _sizes(original)
    tuned = texts is not None and not unchanged and not _shared(original)
    if texts is not None and tuned:
        tuning.tune(
            pruned,
            original,
            texts,
            kept=chosen.layers,
            on_progress=part(job.on_progress, DEPTH, TUNED),
        )
    proof = judge.compare(before, judge.logits(pruned))
    del original
    nn.Module.to(pruned, "cpu")
    models.save(pruned, job.out, source=job.checkpoint)
    found = units.widths(pruned)
    return {
        "after": {
            "heads": list(found.heads),
            "ffn": list(found.ffn),
            "kept_layers": list(chosen.layers),
        },
        "notes": ["nothing changed: all heads, neurons and layers stay"] if unchanged else [],
        "proof": proof,
        "tuned": tuned,
        "texts": 0 if texts is None else texts.texts,
        "tokens": 0 if texts is None else texts.tokens,
        **record,
    }


def _shared(model: PreTrainedModel) -> bool:
    return ENCODERS[model.config.model_type].shared


def _sizes(model: PreTrainedModel) -> tuple[Widths, int]:
    return units.widths(model), int(model.config.num_hidden_layers)


def _repeated(settings: PruneSettings, model: PreTrainedModel) -> int | None:
    """How often a model that shares one layer runs it; None where layers are separate."""
    if not _shared(model):
        return None
    return layer_count(settings.layers, int(model.config.num_hidden_layers))


def _read_texts(
    settings: PruneSettings, job: Job, encoder: TextTokenizer, model: PreTrainedModel
) -> Calibration:
    return calibration.read(
        calibration.choose_texts(job.dataset, seed=job.recipe.seed),
        encoder,
        most_texts=settings.texts,
        most_tokens=MOST_TOKENS,
        pad=int(model.config.pad_token_id or 0),
        config=model.config,
        device=job.device,
    )


def _choose(
    settings: PruneSettings, job: Job, model: PreTrainedModel, texts: Calibration | None
) -> tuple[Choice, dict[str, Any]]:
    """What stays, and what is worth recording of how it was found."""
    rankings = _rank(job, model, texts)
    depths = _depths(settings, job, model, texts)
    if settings.latency is None or texts is None:
        chosen = choice.by_shares(
            rankings, depths.last, heads=settings.heads or 0.0, ffn=settings.ffn or 0.0
        )
        return chosen, {}
    table = _measure(job, model, texts)
    chosen = choice.by_latency(
        rankings,
        depths,
        table,
        speedup=settings.latency,
        prunes_heads=ENCODERS[model.config.model_type].ungrouped_heads,
    )
    return chosen, {"expected_speedup": round(choice.speedup(rankings, table, chosen), 3)}


def _rank(job: Job, model: PreTrainedModel, texts: Calibration | None) -> Rankings:
    """The order in which units go, by layer: by their effect on texts, else by their weights."""
    if texts is None:
        found = units.layers(model)
        return Rankings(
            [search.rank_by_size(magnitude.heads(layer)) for layer in found],
            [search.rank_by_size(magnitude.neurons(layer)) for layer in found],
        )
    felt = fisher.signals(
        model,
        texts,
        head=head_of(job),
        compute=devices.compute_here(job.device),
        seed=job.recipe.seed,
        on_progress=part(job.on_progress, 0.0, SIGNALS),
    )
    return Rankings(
        [search.rank(one) for one in felt.heads], [search.rank(one) for one in felt.ffn]
    )


def _depths(
    settings: PruneSettings, job: Job, model: PreTrainedModel, texts: Calibration | None
) -> Depths:
    """The layers that may stay: one choice, unless a speed-up is wanted, which has several."""
    count = len(units.layers(model))
    if isinstance(settings.layers, list):
        return Depths.only(tuple(settings.layers))
    if texts is None or _shared(model):
        return Depths.only(tuple(range(count)))
    least = layer_count(settings.layers, count)
    speedup = settings.latency if settings.layers is None else None
    if speedup is not None and model.config.model_type != "modernbert":
        least = fewest_layers(speedup, count)
    found = depth.search(
        model,
        texts.first(DEPTH_WINDOWS),
        head=head_of(job),
        least=least,
        on_progress=part(job.on_progress, SIGNALS, DEPTH),
    )
    return found if settings.layers is None else Depths.only(found.last)


def _measure(job: Job, model: PreTrainedModel, texts: Calibration) -> latency.Table:
    """This machine's table, kept in the store: a resumed run searches with the same numbers."""
    layer = units.layers(model)[0]
    found = units.widths(model)
    hidden = layer.matrix(layer.names.ffn_out).out_features
    shape = latency.Shape(
        hidden, layer.head_size, max(found.heads), max(found.ffn), model.config.num_hidden_layers
    )
    lengths = texts.lengths()
    inputs = {
        "shape": asdict(shape),
        "lengths": lengths,
        "machine": [machine.cpu_name(), machine.cores()],
        "packages": job.common["packages"],
    }

    def make(out: Path, on_progress: OnProgress) -> dict[str, Any]:
        return {"table": latency.measure(shape, lengths, on_progress=on_progress).as_json()}

    done = job.run_stored("latency-table", inputs, make)
    return latency.Table.from_json(done.record["table"])


def _apply(model: PreTrainedModel, chosen: Choice, *, repeated: int | None) -> None:
    """Removes all that was not chosen; a shared layer is `repeated` this many times."""
    for number, heads, ffn in zip(chosen.layers, chosen.heads, chosen.ffn, strict=True):
        layer = units.layers(model)[number]
        units.keep_heads(layer, heads)
        units.keep_neurons(layer, ffn)
    units.keep_layers(model, range(repeated) if repeated is not None else chosen.layers)
    units.settle(model)


class _Judge:
    """Compares the checkpoint before and after on validation rows; chooses nothing."""

    def __init__(self, job: Job, encoder: TextTokenizer) -> None:
        rows = job.dataset.validation
        self.head, self.rows = head_of(job), rows[:: -(-len(rows) // JUDGED_ROWS) or 1]
        self.items = self.head.examples(encoder, self.rows)

    def check(self, model: PreTrainedModel) -> np.ndarray:
        """Its logits for the rows; StepError where they are worse than chance."""
        logits = self.logits(model)
        if len(self.rows):
            self.head.check(logits, self.rows)
        return logits

    def logits(self, model: PreTrainedModel) -> np.ndarray:
        return self.head.answers(model, self.items, rows=len(self.rows)).logits

    def compare(self, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        """The score on both sides, and the share of equal answers by language."""
        if not self.rows:
            return {"rows": 0}
        same = self.head.alike(after, before)
        languages: dict[str, list[float]] = {}
        for row, equal in zip(self.rows, same, strict=True):
            languages.setdefault(row.language or "", []).append(float(equal))
        scores = [round(self.head.score(logits, self.rows), 4) for logits in (before, after)]
        return {
            "rows": len(self.rows),
            self.head.metric: dict(zip(("before", "after"), scores, strict=True)),
            "agreement": round(float(same.mean()), 4),
            "agreement_by_language": {
                language: round(float(np.mean(equal)), 4)
                for language, equal in sorted(languages.items())
            },
        }

"""The heavy half of `prune` for encoder-decoders: chooses layers, removes them, says the cost.

Evenly spaced layers after Shleifer and Rush 2020 (arXiv 2010.13002, section 3.1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint import models
from edgekit.checkpoint.layers import keep_seq2seq_layers
from edgekit.checkpoint.seq2seq import SEQ2SEQ
from edgekit.data.rows import Row
from edgekit.job.events import part
from edgekit.job.job import Job, OnProgress
from edgekit.steps.layers import kept_layers
from edgekit.steps.prune.encoder import depth
from edgekit.steps.prune.seq2seq.plan import PruneSettings
from edgekit.training import seq2seq
from edgekit.training.batches import Example

# Share of the work that choosing the layers of one half takes.
ONE_HALF = 0.45


def run(settings: PruneSettings, job: Job) -> dict[str, Any]:
    """Writes the pruned checkpoint into `job.out`; returns the step's record."""
    rows = job.dataset.validation
    judged = seq2seq.given(job, rows).examples
    layout = SEQ2SEQ[job.description.model_type]
    whole = models.load_seq2seq(job.checkpoint)
    nn.Module.to(whole, job.device)
    before = _likelihood(whole, rows, judged)
    read = judged[: settings.texts] if settings.method == "measured" else None
    encoder, decoder = (
        _chosen(whole, half.layers, wanted, read, part(job.on_progress, start, start + ONE_HALF))
        for half, wanted, start in (
            (layout.encoder, settings.encoder_layers, 0.0),
            (layout.decoder, settings.decoder_layers, ONE_HALF),
        )
    )
    del whole
    pruned = keep_seq2seq_layers(job.checkpoint, encoder=encoder, decoder=decoder)
    nn.Module.to(pruned, job.device)
    after = _likelihood(pruned, rows, judged)
    nn.Module.to(pruned, "cpu")
    models.save(pruned, job.out, source=job.checkpoint)
    return {
        "after": {"encoder_layers": encoder, "decoder_layers": decoder},
        "proof": {"rows": len(rows), "likelihood": {"before": before, "after": after}},
        "notes": [],
    }


def _chosen(
    model: PreTrainedModel,
    place: str,
    wanted: int | list[int] | None,
    read: Sequence[Example] | None,
    on_progress: OnProgress,
) -> list[int]:
    """The layers of one half that stay; measured where texts are `read`, else evenly spaced."""
    layers: Any = model.get_submodule(place)
    if wanted is None or isinstance(wanted, list) or read is None:
        return kept_layers(len(layers) if wanted is None else wanted, len(layers))

    def lost(rest: Sequence[int]) -> float:
        with depth.only(layers, rest):
            return -seq2seq.likelihood(model, read)

    if model.config.model_type in ("mt5", "t5"):
        _lend_distances(layers)
    return list(depth.remove(lost, len(layers), least=wanted, on_progress=on_progress).last)


def _lend_distances(layers: nn.ModuleList) -> None:
    """T5's first layer computes the position biases for all; after this any layer can be first."""
    every: list[Any] = [block.get_submodule("layer.0.SelfAttention") for block in layers]
    for attention in every:
        attention.relative_attention_bias = every[0].relative_attention_bias
        attention.has_relative_attention_bias = True


def _likelihood(
    model: PreTrainedModel, rows: Sequence[Row], examples: Sequence[Example]
) -> dict[str, float]:
    """Likelihood of the rows' summaries, by language; empty where there are none."""
    by_language: defaultdict[str, list[Example]] = defaultdict(list)
    for row, example in zip(rows, examples, strict=True):
        by_language[row.language or ""].append(example)
    return {
        language: round(seq2seq.likelihood(model, own), 6)
        for language, own in sorted(by_language.items())
    }

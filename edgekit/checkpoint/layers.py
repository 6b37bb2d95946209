"""Makes a smaller model from some of a checkpoint's layers. Does not decide which to keep."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSeq2SeqLM, PreTrainedModel

from edgekit.checkpoint import models, units
from edgekit.checkpoint.encoders import ENCODERS
from edgekit.checkpoint.seq2seq import SEQ2SEQ
from edgekit.errors import StepError


def keep_layers(whole: PreTrainedModel, numbers: Sequence[int]) -> PreTrainedModel:
    """An encoder with the layers `numbers` of another, in that order, and everything else of it.

    It is built from its config, as it will be built when loaded: what a layer does can depend on
    its position. Raises StepError if the layers differ in width.
    """
    config = copy.deepcopy(whole.config)
    units.keep_kinds(config, numbers)
    smaller = type(whole)(config)
    architecture = ENCODERS[config.model_type]
    weights = whole.state_dict()
    if not architecture.shared:
        prefix = f"{whole.base_model_prefix}.{architecture.layers}."
        weights = renumbered(weights, prefix, numbers)
    wanted = smaller.state_dict()
    for name, weight in wanted.items():
        if name not in weights or weights[name].shape != weight.shape:
            raise StepError(
                f"the layers of this checkpoint are not alike ({name} is of another size), so no "
                "smaller model can be made of some; put distill before prune."
            )
    smaller.load_state_dict({name: weights[name] for name in wanted})
    smaller.eval()
    return smaller


def keep_seq2seq_layers(
    folder: Path, *, encoder: Sequence[int], decoder: Sequence[int]
) -> PreTrainedModel:
    """An encoder-decoder with these layers of each half, in that order, and everything else."""
    whole: Any = models.load_seq2seq(folder)
    layout = SEQ2SEQ[whole.config.model_type]
    config, weights = copy.deepcopy(whole.config), whole.state_dict()
    of_first = {name: one for name, one in weights.items() if layout.is_of_first(name)}
    for half, numbers in ((layout.encoder, encoder), (layout.decoder, decoder)):
        setattr(config, half.count, len(numbers))
        weights = renumbered(weights, f"{half.layers}.", numbers)
    # What the first layer holds for all layers stays with the first one, whichever that is.
    kept = {name: one for name, one in weights.items() if not layout.is_of_first(name)}
    config.num_hidden_layers = len(encoder)
    smaller: PreTrainedModel = AutoModelForSeq2SeqLM.from_config(config)
    if whole.lm_head.weight is not whole.get_input_embeddings().weight:
        models.untie_head(smaller)
    smaller.load_state_dict({**kept, **of_first})
    smaller.generation_config = whole.generation_config
    smaller.eval()
    return smaller


def renumbered(
    weights: dict[str, torch.Tensor], prefix: str, numbers: Sequence[int]
) -> dict[str, torch.Tensor]:
    """The weights, with each kept layer under its new number and without the other layers'."""
    places = {number: place for place, number in enumerate(numbers)}
    result = {}
    for name, weight in weights.items():
        if not name.startswith(prefix):
            result[name] = weight
            continue
        number, rest = name.removeprefix(prefix).split(".", 1)
        if int(number) in places:
            result[f"{prefix}{places[int(number)]}.{rest}"] = weight
    return result

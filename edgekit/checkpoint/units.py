"""The units of a model that can be removed: heads, neurons, layers. Torch; knows no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from edgekit.checkpoint.encoders import ENCODERS, Architecture
from edgekit.checkpoint.widths import Widths


@dataclass(frozen=True)
class Layer:
    """One layer of a model, found by the names in its Architecture."""

    module: nn.Module
    names: Architecture

    def part(self, name: str) -> nn.Module:
        return self.module.get_submodule(name)

    def matrix(self, name: str) -> nn.Linear:
        found = self.part(name)
        if not isinstance(found, nn.Linear):
            raise TypeError(f"{name} is a {type(found).__name__} where a Linear was expected")
        return found

    @property
    def heads(self) -> int:
        return int(attrgetter(self.names.heads)(self.part(self.names.attention)))

    @property
    def head_size(self) -> int:
        return self.matrix(self.names.attention_out).in_features // self.heads

    @property
    def ffn(self) -> int:
        return self.matrix(self.names.ffn_out).in_features


def body(model: PreTrainedModel) -> nn.Module:
    """The encoder inside a model with or without a head."""
    found: nn.Module = getattr(model, model.base_model_prefix, model)
    return found


def layers(model: PreTrainedModel) -> list[Layer]:
    """All layers; only one if they share their weights."""
    names = ENCODERS[model.config.model_type]
    return [Layer(module, names) for module in layer_list(model)]


def widths(model: PreTrainedModel) -> Widths:
    found = layers(model)
    return Widths(tuple(layer.heads for layer in found), tuple(layer.ffn for layer in found))


def narrow_widths(model: PreTrainedModel) -> Widths | None:
    """The widths that config.json cannot express; None if all layers are as it says."""
    names = ENCODERS.get(model.config.model_type)
    if names is None:
        return None
    found = widths(model)
    said = {model.config.num_attention_heads}, {getattr(model.config, names.ffn_config)}
    return None if (set(found.heads), set(found.ffn)) == said else found


def keep_heads(layer: Layer, kept: Sequence[int]) -> None:
    """Keeps only these heads: rows of query, key and value, columns of the output matrix."""
    names, size = layer.names, layer.head_size
    if len(kept) == layer.heads:
        return
    if not names.ungrouped_heads or not (names.query and names.key and names.value):
        raise TypeError("the heads of this architecture cannot be taken out one by one")
    units = [head * size + at for head in kept for at in range(size)]
    for name in (names.query, names.key, names.value):
        _keep_rows(layer.matrix(name), units)
    _keep_columns(layer.matrix(names.attention_out), units)
    attention = layer.part(names.attention)
    setattr(attention, names.heads, len(kept))
    setattr(attention, names.heads_width, len(units))


def keep_neurons(layer: Layer, kept: Sequence[int]) -> None:
    """Keeps only these neurons of the feed-forward network."""
    if len(kept) == layer.ffn:
        return
    rows = [*kept, *(layer.ffn + unit for unit in kept)] if layer.names.gated else list(kept)
    _keep_rows(layer.matrix(layer.names.ffn_in), rows)
    if layer.names.ffn_gate is not None:
        _keep_rows(layer.matrix(layer.names.ffn_gate), rows)
    _keep_columns(layer.matrix(layer.names.ffn_out), list(kept))


def keep_layers(model: PreTrainedModel, kept: Sequence[int]) -> None:
    """Keeps only these layers, in this order; if layers share their weights, only their count."""
    if not ENCODERS[model.config.model_type].shared:
        found = layer_list(model)
        chosen = [found[number] for number in kept]
        del found[:]
        found.extend(chosen)
    keep_kinds(model.config, kept)


def keep_kinds(config: PretrainedConfig, kept: Sequence[int]) -> None:
    """Makes it that of a model with these layers, each of the kind that it was."""
    config.num_hidden_layers = len(kept)
    if kinds := getattr(config, "layer_types", None):
        config.layer_types = [kinds[number] for number in kept]


def settle(model: PreTrainedModel) -> None:
    """Sets the config's feed-forward width to that of the widest layer.

    The config keeps the original number of heads: transformers derives the size of a head from it.
    """
    names = ENCODERS[model.config.model_type]
    setattr(model.config, names.ffn_config, max(widths(model).ffn))


def resize(model: PreTrainedModel, wanted: Widths) -> None:
    """Gives every layer its width, whatever its weights: loading then overwrites them."""
    for layer, heads, ffn in zip(layers(model), wanted.heads, wanted.ffn, strict=True):
        keep_heads(layer, range(heads))
        keep_neurons(layer, range(ffn))


def layer_list(model: PreTrainedModel) -> nn.ModuleList:
    found = body(model).get_submodule(ENCODERS[model.config.model_type].layers)
    if not isinstance(found, nn.ModuleList):
        raise TypeError(f"the layers are a {type(found).__name__} where a ModuleList was expected")
    return found


def _keep_rows(matrix: nn.Linear, rows: Sequence[int]) -> None:
    matrix.weight = nn.Parameter(matrix.weight.detach()[list(rows)].clone())
    if matrix.bias is not None:
        matrix.bias = nn.Parameter(matrix.bias.detach()[list(rows)].clone())
    matrix.out_features = len(rows)


def _keep_columns(matrix: nn.Linear, columns: Sequence[int]) -> None:
    index = torch.tensor(list(columns))
    matrix.weight = nn.Parameter(matrix.weight.detach()[:, index].clone())
    matrix.in_features = len(columns)

"""One step of a decoder as a function of tensors, for tracing. Knows no files and no texts.

A step reads one piece for each beam and the keys and values of everything before. It is written
here rather than traced from transformers: there a step builds masks that hide nothing here, and
computes the keys and values of the source, which the encoder's file does once. All beams read one
source, so in cross-attention they stand side by side like the positions of one text.

T5: Raffel et al. 2020 (arXiv 1910.10683). BART and relatives: Lewis et al. 2020 (arXiv 1910.13461).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

Tensors = tuple[torch.Tensor, ...]


class Step(nn.Module):
    """(pieces, order, past, source) to (logits, present); the caches are layers of (key, value).

    `pieces` has the shape (beams,); `order` (beams,) gives the row of the past that each continues;
    a cache of the past is (rows, heads, length, width), one of the source (1, heads, length,
    width).
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model: Any = model
        self.table = self.model.get_decoder().embed_tokens

    def forward(self, pieces: torch.Tensor, order: torch.Tensor, *caches: torch.Tensor) -> Tensors:
        layers = len(caches) // 4
        past = [
            (caches[2 * n].index_select(0, order), caches[2 * n + 1].index_select(0, order))
            for n in range(layers)
        ]
        source = [(caches[2 * n], caches[2 * n + 1]) for n in range(layers, 2 * layers)]
        hidden, present = self.read(pieces, past, source)
        return (self.logits(hidden), *present)

    def read(
        self, pieces: torch.Tensor, past: Sequence[Tensors], source: Sequence[Tensors]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Hidden states of shape (beams, width) and the caches, each one position longer."""
        raise NotImplementedError

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class T5Step(Step):
    """For mT5, too."""

    biases: torch.Tensor

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model)
        first = self.model.decoder.block[0].layer[0].SelfAttention
        self.furthest = first.relative_attention_max_distance
        distances = torch.arange(self.furthest + 1)
        buckets = first._relative_position_bucket(
            -distances,
            bidirectional=False,
            num_buckets=first.relative_attention_num_buckets,
            max_distance=first.relative_attention_max_distance,
        )
        # Biases by distance; beyond the furthest all are equal.
        self.register_buffer("biases", first.relative_attention_bias(buckets).detach().T.clone())

    def read(
        self, pieces: torch.Tensor, past: Sequence[Tensors], source: Sequence[Tensors]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        hidden: torch.Tensor = self.table(pieces)
        present: list[torch.Tensor] = []
        length = past[0][0].shape[2]
        distances = torch.arange(length, -1, -1).clamp(max=self.furthest)
        bias = self.biases[:, distances][None, :, None, :]
        for block, before, read in zip(self.model.decoder.block, past, source, strict=True):
            own, cross, network = block.layer
            states = own.layer_norm(hidden)
            attention = own.SelfAttention
            query, key, value = (
                _heads(part(states), attention.n_heads)
                for part in (attention.q, attention.k, attention.v)
            )
            cache = _longer(before, key, value)
            present += cache
            hidden = hidden + attention.o(_attend(query, cache, bias=bias))
            attention = cross.EncDecAttention
            query = _side_by_side(attention.q(cross.layer_norm(hidden)), attention.n_heads)
            hidden = hidden + attention.o(_attend_source(query, read))
            hidden = hidden + network.DenseReluDense(network.layer_norm(hidden))
        return self.model.decoder.final_layer_norm(hidden), present

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        config = self.model.config
        if getattr(config, "scale_decoder_outputs", False):
            hidden = hidden * config.d_model**-0.5
        return functional.linear(hidden, self.model.lm_head.weight)


class BartStep(Step):
    """For mBART, Pegasus, Marian and M2M100, too, which norm before or after each part."""

    positions: torch.Tensor

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model)
        decoder = self.model.get_decoder()
        self.register_buffer("positions", position_table(decoder))
        # Marian and Pegasus scale after the lookup, the others within their table.
        inside = hasattr(self.table, "embed_scale")
        self.scale = 1.0 if inside else float(getattr(decoder, "embed_scale", 1.0))
        self.norms_before = model.config.model_type in ("mbart", "pegasus", "m2m_100")

    def read(
        self, pieces: torch.Tensor, past: Sequence[Tensors], source: Sequence[Tensors]
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        decoder, present = self.model.get_decoder(), list[torch.Tensor]()
        length = past[0][0].shape[2]
        position = torch.arange(length, length + 1)
        hidden = self.table(pieces) * self.scale + self.positions[position]
        if hasattr(decoder, "layernorm_embedding"):
            hidden = decoder.layernorm_embedding(hidden)
        for layer, before, read in zip(decoder.layers, past, source, strict=True):
            own, cross = layer.self_attn, layer.encoder_attn
            states = self._before(layer.self_attn_layer_norm, hidden)
            query, key, value = (
                _heads(part(states), own.num_heads) for part in (own.q_proj, own.k_proj, own.v_proj)
            )
            cache = _longer(before, key, value)
            present += cache
            answer = own.out_proj(_attend(query * own.scaling, cache))
            hidden = self._after(layer.self_attn_layer_norm, hidden + answer)
            states = self._before(layer.encoder_attn_layer_norm, hidden)
            query = _side_by_side(cross.q_proj(states) * cross.scaling, cross.num_heads)
            answer = cross.out_proj(_attend_source(query, read))
            hidden = self._after(layer.encoder_attn_layer_norm, hidden + answer)
            states = self._before(layer.final_layer_norm, hidden)
            answer = layer.fc2(layer.activation_fn(layer.fc1(states)))
            hidden = self._after(layer.final_layer_norm, hidden + answer)
        if getattr(decoder, "layer_norm", None) is not None:
            hidden = decoder.layer_norm(hidden)
        return hidden, present

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = functional.linear(hidden, self.model.lm_head.weight)
        bias = getattr(self.model, "final_logits_bias", None)
        return logits if bias is None or not bias.any() else logits + bias

    def _before(self, norm: Any, hidden: torch.Tensor) -> torch.Tensor:
        return norm(hidden) if self.norms_before else hidden

    def _after(self, norm: Any, hidden: torch.Tensor) -> torch.Tensor:
        return hidden if self.norms_before else norm(hidden)


def step(model: PreTrainedModel) -> Step:
    return (T5Step if model.config.model_type in ("t5", "mt5") else BartStep)(model)


def position_table(stack: Any) -> torch.Tensor:
    """Vectors of the positions from 0 up, of shape (positions, width)."""
    found = stack.embed_positions
    if stack.config.model_type == "m2m_100":
        # It counts positions from after the padding id, which texts never use.
        return found.weights[found.padding_idx + 1 :].detach().clone()
    return found.weight[getattr(found, "offset", 0) :].detach().clone()


def source_caches(model: Any, states: torch.Tensor) -> Tensors:
    """Keys and values of the source for each layer of the decoder: (1, heads, length, width)."""
    caches: list[torch.Tensor] = []
    if model.config.model_type in ("t5", "mt5"):
        for block in model.decoder.block:
            cross = block.layer[1].EncDecAttention
            caches += (_rows(part(states), cross.n_heads) for part in (cross.k, cross.v))
    else:
        for layer in model.get_decoder().layers:
            cross = layer.encoder_attn
            caches += (
                _rows(part(states), cross.num_heads) for part in (cross.k_proj, cross.v_proj)
            )
    return tuple(caches)


def _rows(states: torch.Tensor, heads: int) -> torch.Tensor:
    """(1, length, all heads) to (1, heads, length, width)."""
    return states.view(1, -1, heads, states.shape[-1] // heads).transpose(1, 2)


def _heads(states: torch.Tensor, heads: int) -> torch.Tensor:
    """(beams, all heads) to (beams, heads, 1, width)."""
    return states.view(-1, heads, 1, states.shape[-1] // heads)


def _side_by_side(states: torch.Tensor, heads: int) -> torch.Tensor:
    """(beams, all heads) to (1, heads, beams, width)."""
    return _rows(states[None], heads)


def _longer(before: Tensors, key: torch.Tensor, value: torch.Tensor) -> Tensors:
    return torch.cat((before[0], key), dim=2), torch.cat((before[1], value), dim=2)


def _attend(
    query: torch.Tensor, cache: Tensors, *, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """(beams, heads, 1, width) to (beams, all heads)."""
    scores = query @ cache[0].transpose(2, 3)
    if bias is not None:
        scores = scores + bias
    found = scores.softmax(dim=-1) @ cache[1]
    return found.flatten(1)


def _attend_source(query: torch.Tensor, cache: Tensors) -> torch.Tensor:
    """(1, heads, beams, width) to (beams, all heads)."""
    found = (query @ cache[0].transpose(2, 3)).softmax(dim=-1) @ cache[1]
    return found.transpose(1, 2).flatten(2)[0]

"""Runs a decoder's checkpoint in fp32 a module at a time: its weights are never all in memory.

transformers computes; weights are read from the safetensors files when a module is called and freed
when it returns, those of linear layers a few rows at a time; small ones stay. Knows no text.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import init_empty_weights
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import ModelOutput

from edgekit.checkpoint import models, tensors
from edgekit.checkpoint.tensors import Tensor
from edgekit.errors import CheckpointError


@torch.inference_mode()
def logits(
    checkpoint: Path,
    tokens: Sequence[Sequence[int]],
    *,
    pieces: np.ndarray | None = None,
    layers: int | None = None,
) -> Iterator[np.ndarray]:
    """The logits of each sequence, float32 of shape (tokens, vocabulary), or only for `pieces`; by
    the first `layers` layers alone, where these are given.

    Equal weights give equal bits: a table made of the rows `pieces` of another gives exactly the
    logits that the other gives for them.
    """
    model, found = open_decoder(checkpoint, layers=layers), tensors.read(checkpoint)
    config = model.config
    longest = max(map(len, tokens))
    # Causal: padding after a sequence changes nothing before it.
    padded = torch.tensor([[*one, *[0] * (longest - len(one))] for one in tokens])
    body, head = model.get_decoder(), model.get_output_embeddings()
    whole = body(input_ids=padded, use_cache=False)
    tied = config.tie_word_embeddings or "lm_head.weight" not in found
    scores = _place("model.embed_tokens.weight" if tied else "lm_head.weight", found)
    head.forward = partial(_linear, {"weight": scores}, order=pieces)
    for one, states in zip(tokens, whole.last_hidden_state, strict=True):
        # What becomes of the head's scores (a factor, a soft cap) is for transformers to say.
        body.forward = partial(_given, whole, states[None, : len(one)])
        yield model(input_ids=padded[:1, : len(one)], use_cache=False).logits[0].numpy()


def open_decoder(checkpoint: Path, *, layers: int | None = None) -> PreTrainedModel:
    """The model; all its modules except the head compute in fp32 with weights from the files."""
    config = models.read_config(checkpoint)
    if layers is not None:
        models.keep_first(config, layers)
    # Other implementations of attention leave out Gemma 2's soft cap on its scores.
    config._attn_implementation = "eager"
    with init_empty_weights(include_buffers=False):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    model.eval()
    found = tensors.read(checkpoint)
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        own = [one for one, _ in module.named_parameters(recurse=False)]
        if own and module is not head:
            _stream(module, {one: _place(f"{name}.{one}", found) for one in own})
        for one, buffer in module.named_buffers(recurse=False):
            if (place := found.get(f"{name}.{one}")) is not None:
                setattr(module, one, _whole(place).reshape(buffer.shape))
    return model


def _stream(module: nn.Module, places: Mapping[str, Tensor]) -> None:
    """Makes a module read its weights from the files when it is called."""
    if isinstance(module, nn.Linear):
        module.forward = partial(_linear, places)  # type: ignore[method-assign]
    elif all(place.size <= tensors.PART for place in places.values()):
        # Some are read without a call of the module that has them, as convolutions are.
        _bring(places, module, ())
    else:  # above all tables of embeddings
        module.register_forward_pre_hook(partial(_bring, places))
        module.register_forward_hook(_take)


def _linear(
    places: Mapping[str, Tensor], states: torch.Tensor, order: np.ndarray | None = None
) -> torch.Tensor:
    """A linear layer whose matrix is never all in memory; only the rows in `order`, if given."""
    # Copied to torch's own memory: the alignment of a matrix decides the last bits of its products.
    parts = [states @ torch.tensor(part).T for part in places["weight"].rows(order)]
    found = torch.cat(parts, dim=-1)
    return found + _whole(places["bias"]) if "bias" in places else found


def _place(name: str, found: Mapping[str, Tensor]) -> Tensor:
    if name not in found:
        raise CheckpointError(f"the weights '{name}' are missing; copy the whole folder again.")
    return found[name]


def _bring(
    places: Mapping[str, Tensor], module: nn.Module, arguments: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Gives a module its weights; for an embedding, only the rows that will be looked up."""
    order = None
    if isinstance(module, nn.Embedding) and arguments:
        used, renumbered = torch.unique(arguments[0], return_inverse=True)
        order, arguments = used.numpy(), (renumbered, *arguments[1:])
    for name, place in places.items():
        module._parameters[name] = nn.Parameter(_whole(place, order), requires_grad=False)
    return arguments


def _whole(place: Tensor, order: np.ndarray | None = None) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(list(place.rows(order))))


def _take(module: nn.Module, _: Any, answer: Any) -> None:
    for name, weight in module._parameters.items():
        if weight is not None:
            module._parameters[name] = nn.Parameter(weight.to("meta"), requires_grad=False)


def _given(whole: ModelOutput, states: torch.Tensor, *_: Any, **__: Any) -> ModelOutput:
    """Stands for the layers where what they computed is known: all of it, and the states of one
    sequence."""
    found = copy.copy(whole)
    found["last_hidden_state"] = states
    return found

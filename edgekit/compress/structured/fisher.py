"""How much the answers depend on each head and neuron: a pass of gradients over texts.

After Kwon et al. 2022, "A Fast Post-Training Pruning Framework for Transformers" (arXiv
2204.09656). Their Fisher information is that of the labels, and a model that has learned its labels
has almost none left. Here it is that of the model's own answers, sampled by random signs: it needs
no labels and one backward pass, and half of it is the divergence (nats) that taking out a unit
makes, to second order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from edgekit.compress.structured.calibration import Calibration
from edgekit.compress.structured.units import layers


@dataclass(frozen=True, slots=True)
class Signals:
    """By layer: what each window feels of each unit, float32 of shape (windows, units)."""

    heads: list[np.ndarray]
    ffn: list[np.ndarray]


def signals(
    model: PreTrainedModel,
    calibration: Calibration,
    *,
    seed: int,
    on_progress: Callable[[float], None],
) -> Signals:
    """One forward and one backward pass over every batch. No weight gets a gradient."""
    heads: list[list[np.ndarray]] = []
    ffn: list[list[np.ndarray]] = []
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    with ExitStack() as stack:
        stack.enter_context(_graph_from(model.get_input_embeddings()))
        for layer in layers(model):
            heads.append([])
            ffn.append([])
            out = layer.matrix(layer.names.attention_out)
            stack.enter_context(_listen(out, layer.head_size, heads[-1]))
            stack.enter_context(_listen(layer.matrix(layer.names.ffn_out), 1, ffn[-1]))
        for done, batch in enumerate(calibration.batches):
            with torch.enable_grad():
                logits = model(**batch).logits.float()
            logits.backward(_direction(logits.detach(), generator))
            on_progress((done + 1) / len(calibration.batches))
    return Signals([_joined(parts) for parts in heads], [_joined(parts) for parts in ffn])


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts)


def _direction(logits: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random v with E[v vᵀ] = diag(p) − p pᵀ, the Fisher information of answers of odds p."""
    signs = torch.randint(0, 2, logits.shape, generator=generator).to(logits) * 2 - 1
    odds = logits.softmax(-1)
    drawn = odds.sqrt() * signs
    return drawn - odds * drawn.sum(-1, keepdim=True)


@contextmanager
def _graph_from(table: nn.Module) -> Iterator[None]:
    """Gradients flow from here on, though no weight needs one."""

    def begin(module: nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        return output.requires_grad_()

    handle = table.register_forward_hook(begin)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _listen(matrix: nn.Linear, group: int, into: list[np.ndarray]) -> Iterator[None]:
    """Notes for each window the derivative by a mask on each group of the matrix's inputs."""

    def before(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        value = inputs[0]

        def note(gradient: torch.Tensor) -> None:
            felt = (value.detach() * gradient).sum(1)  # (windows, width)
            into.append(felt.unflatten(-1, (-1, group)).sum(-1).cpu().numpy())

        value.register_hook(note)

    handle = matrix.register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()

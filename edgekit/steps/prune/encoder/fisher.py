"""How much the answers depend on each head and neuron: one pass of gradients over texts.

After Kwon et al. 2022, "A Fast Post-Training Pruning Framework for Transformers" (arXiv
2204.09656). Their Fisher information is that of the labels, and a model that has learned its labels
has almost none left. Here it is that of the model's own answers, sampled with random signs: it
needs no labels and one backward pass, and half of it is the divergence (nats) that removing a unit
causes, to second order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint.units import layers
from edgekit.errors import StepError
from edgekit.steps.prune.encoder.calibration import Calibration
from edgekit.system import devices
from edgekit.system.devices import Compute
from edgekit.training.head import Head

SCALE = 1024.0


@dataclass(frozen=True, slots=True)
class Signals:
    """By layer: the answers' derivatives with respect to each unit, float32 (windows, units)."""

    heads: list[np.ndarray]
    ffn: list[np.ndarray]


def signals(
    model: PreTrainedModel,
    calibration: Calibration,
    *,
    head: Head,
    compute: Compute,
    seed: int,
    on_progress: Callable[[float], None],
) -> Signals:
    """One forward and one backward pass over every batch. No weight gets a gradient.

    A batch that does not fit the GPU's memory is read in halves. StepError where half precision
    cannot hold the derivatives.
    """
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    found = layers(model)
    with ExitStack() as stack:
        stack.enter_context(_graph_from(model.get_input_embeddings()))

        def listen(matrix: nn.Linear, group: int) -> list[np.ndarray]:
            return stack.enter_context(_listen(matrix, group))

        heads = [listen(one.matrix(one.names.attention_out), one.head_size) for one in found]
        ffn = [listen(one.matrix(one.names.ffn_out), 1) for one in found]

        def read(batch: Mapping[str, torch.Tensor], windows: Sequence[int]) -> None:
            part = {name: tensor[windows[0] : windows[-1] + 1] for name, tensor in batch.items()}
            with _whole_or_nothing((*heads, *ffn)):
                _pass(model, part, head, generator, compute)

        for done, batch in enumerate(calibration.batches):
            devices.in_parts(range(len(batch["input_ids"])), partial(read, batch))
            on_progress((done + 1) / len(calibration.batches))
    return Signals(
        [_joined(parts, compute) for parts in heads], [_joined(parts, compute) for parts in ffn]
    )


def _pass(
    model: PreTrainedModel,
    part: Mapping[str, torch.Tensor],
    head: Head,
    generator: torch.Generator,
    compute: Compute,
) -> None:
    precision = devices.autocast_dtype(compute)
    cast = torch.autocast(compute.device, dtype=precision, enabled=precision is not None)
    with torch.enable_grad(), cast:
        logits = head.logits(model(**part), part)
    logits.backward(head.direction(logits.detach(), generator) * _scale(compute))


@contextmanager
def _whole_or_nothing(noted: Sequence[list[np.ndarray]]) -> Iterator[None]:
    """Drops what some layers noted of a part that did not fit: it will be read again."""
    marks = [len(into) for into in noted]
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        for into, mark in zip(noted, marks, strict=True):
            del into[mark:]
        raise


def _scale(compute: Compute) -> float:
    """What gradients are multiplied by on their way back: small ones underflow in fp16."""
    return SCALE if compute.scaled else 1.0


def _joined(parts: list[np.ndarray], compute: Compute) -> np.ndarray:
    felt = np.concatenate(parts) / np.float32(_scale(compute))
    if not np.isfinite(felt).all():
        raise StepError(
            f"what the texts tell of the model is no number in {compute.precision}; use --device "
            "cpu, which computes in fp32."
        )
    return felt


@contextmanager
def _graph_from(table: nn.Module) -> Iterator[None]:
    """Gradients flow from here on, although no weight requires one."""

    def begin(module: nn.Module, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        return output.requires_grad_()

    handle = table.register_forward_hook(begin)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _listen(matrix: nn.Linear, group: int) -> Iterator[list[np.ndarray]]:
    """Notes for each window the derivative with respect to a mask on each group of inputs."""
    into: list[np.ndarray] = []

    def before(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        value = inputs[0]

        def note(gradient: torch.Tensor) -> None:
            felt = (value.detach().float() * gradient.float()).sum(1)  # (windows, width)
            into.append(felt.unflatten(-1, (-1, group)).sum(-1).cpu().numpy())

        value.register_hook(note)

    handle = matrix.register_forward_pre_hook(before)
    try:
        yield into
    finally:
        handle.remove()

"""Least-squares tuning: what is left of each layer is fitted to the output of the whole layer.

After Kwon et al. 2022 (arXiv 2204.09656), who scale each kept unit. Here the whole matrix behind
the units is fitted, which has the same closed form (as in ZipLM, arXiv 2302.04089): layer by layer,
it also makes up for errors from the pruned layers before it, and for layers that are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from edgekit.checkpoint.units import Layer, layers
from edgekit.steps.prune.encoder.calibration import Calibration, real_tokens

# Share of the mean diagonal: keeps the fit near the old weights where texts say nothing.
RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class _Call:
    """The arguments with which the model calls a layer, except the hidden states."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one layer made of one batch; all but `ffn_in` of shape (windows, longest, hidden)."""

    output: torch.Tensor
    attention_in: torch.Tensor
    attention_sum: torch.Tensor
    ffn_in: torch.Tensor
    ffn_sum: torch.Tensor


@dataclass(frozen=True, slots=True)
class _Goal:
    """What one layer made of all batches, as far as others are fitted to it."""

    outputs: list[torch.Tensor]
    attention_sums: list[torch.Tensor]
    ffn_sums: list[torch.Tensor]


def tune(
    pruned: PreTrainedModel,
    original: PreTrainedModel,
    calibration: Calibration,
    *,
    kept: Sequence[int],
    on_progress: Callable[[float], None],
) -> None:
    """Changes the weights of `pruned`, whose layers are those numbered `kept` in `original`."""
    whole, narrow = layers(original), layers(pruned)
    calls, states = _watch(original, whole, calibration)
    real = [real_tokens(batch) for batch in calibration.batches]
    theirs, ours = states, states
    ends = [*kept[1:], len(whole)]
    for number, (layer, start, end) in enumerate(zip(narrow, kept, ends, strict=True)):
        goal = _goal(whole[start], theirs, calls[start])
        attention_sums = goal.attention_sums
        for gone in range(start + 1, end):
            goal = _goal(whole[gone], goal.outputs, calls[gone])
        theirs = goal.outputs
        fit = _Fit(layer.matrix(layer.names.attention_out))
        for mine, wanted, mask in zip(
            _each(layer, ours, calls[start]), attention_sums, real, strict=True
        ):
            fit.add(mine.attention_in, wanted - mine.attention_sum, mask)
        fit.solve()
        fit = _Fit(layer.matrix(layer.names.ffn_out))
        for mine, wanted, mask in zip(
            _each(layer, ours, calls[start]), goal.ffn_sums, real, strict=True
        ):
            fit.add(mine.ffn_in, wanted - mine.ffn_sum, mask)
        fit.solve()
        ours = [mine.output for mine in _each(layer, ours, calls[start])]
        on_progress((number + 1) / len(narrow))


class _Fit:
    """The change of a matrix and its bias that best makes up for what is missing after it."""

    def __init__(self, matrix: nn.Linear) -> None:
        self.matrix = matrix
        width = matrix.in_features + 1  # plus the bias
        # Sums of many products: single precision would lose the small ones.
        new = matrix.weight.detach().double().new_zeros
        self.gram, self.cross = new(width, width), new(width, matrix.out_features)

    def add(self, inputs: torch.Tensor, missing: torch.Tensor, real: torch.Tensor) -> None:
        rows = inputs[real]
        ones = 1.0 if self.matrix.bias is not None else 0.0
        rows = torch.cat([rows, rows.new_full((len(rows), 1), ones)], dim=1)
        self.gram += (rows.T @ rows).double()
        self.cross += (rows.T @ missing[real]).double()

    def solve(self) -> None:
        self.gram.diagonal().add_(RIDGE * self.gram.diagonal().mean() + 1e-12)
        change = torch.linalg.solve(self.gram, self.cross).float()
        with torch.no_grad():
            self.matrix.weight.add_(change[:-1].T)
            if self.matrix.bias is not None:
                self.matrix.bias.add_(change[-1])


def _watch(
    model: PreTrainedModel, found: Sequence[Layer], calibration: Calibration
) -> tuple[list[list[_Call]], list[torch.Tensor]]:
    """How the model calls each of its layers for each batch, and what enters the first."""
    calls: list[list[_Call]] = [[] for _ in found]
    states: list[torch.Tensor] = []

    def note(number: int) -> Callable[..., None]:
        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            calls[number].append(_Call(args[1:], kwargs))
            if number == 0:
                states.append(args[0])

        return before

    with ExitStack() as stack, torch.inference_mode():
        for number, layer in enumerate(found):
            handle = layer.module.register_forward_pre_hook(note(number), with_kwargs=True)
            stack.callback(handle.remove)
        for batch in calibration.batches:
            model(**batch)
    return calls, states


def _goal(layer: Layer, states: Sequence[torch.Tensor], calls: Sequence[_Call]) -> _Goal:
    goal = _Goal([], [], [])
    for seen in _each(layer, states, calls):
        goal.outputs.append(seen.output)
        goal.attention_sums.append(seen.attention_sum)
        goal.ffn_sums.append(seen.ffn_sum)
    return goal


def _each(layer: Layer, states: Sequence[torch.Tensor], calls: Sequence[_Call]) -> Iterator[_Seen]:
    """One batch after another: the widest tensors of all batches at once would not fit."""
    return (_run(layer, state, call) for state, call in zip(states, calls, strict=True))


def _run(layer: Layer, state: torch.Tensor, call: _Call) -> _Seen:
    """Runs one layer on one batch and looks into it."""
    names, seen = layer.names, {}

    def note(name: str) -> Callable[..., None]:
        def before(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            seen[name] = inputs[0]

        return before

    looked_at = [names.attention_out, names.after_attention, names.ffn_out, names.after_ffn]
    with ExitStack() as stack, torch.inference_mode():
        for name in looked_at:
            if name is not None:
                handle = layer.part(name).register_forward_pre_hook(note(name))
                stack.callback(handle.remove)
        output = layer.module(state, *call.args, **call.kwargs)
    output = output[0] if isinstance(output, tuple) else output
    return _Seen(
        output=output,
        attention_in=seen[names.attention_out],
        attention_sum=seen[names.after_attention],
        ffn_in=seen[names.ffn_out],
        ffn_sum=output if names.after_ffn is None else seen[names.after_ffn],
    )

"""What a decoder does with texts: which layers change little, which neurons add little. Torch.

Its weights come from the files as it computes (checkpoint/streaming.py) and are never all in
memory. Removes nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.checkpoint import streaming, tensors
from edgekit.checkpoint.decoders import DECODERS, LAYERS
from edgekit.errors import StepError

BATCH_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of a checkpoint's layers, on some tokens."""

    distances: np.ndarray
    """For each block of as many layers as are to go, by its first layer: the mean angular distance
    between its input and its output, from 0 to 1 (Gromov et al. 2024, arXiv 2403.17887)."""
    importance: np.ndarray
    """Of shape (layers, neurons): the mean square of what each adds to the hidden states, like
    Wanda's scores of weights (Sun et al. 2023, arXiv 2306.11695) summed over a column."""


@torch.inference_mode()
def measure(
    checkpoint: Path,
    windows: Sequence[Sequence[int]],
    *,
    removed: int,
    on_progress: Callable[[float], None],
) -> Measured:
    """Runs the checkpoint on windows of tokens; `removed` is the number of layers to go.

    Distances are averaged over every token, where the paper takes the last of each sequence: fewer
    texts suffice. A window's first token is left out: its states are far larger than any other's
    and hardly rotate.
    """
    model = streaming.open_decoder(checkpoint)
    body = model.get_decoder()
    listener = _Listener(len(body.layers), removed, DECODERS[model.config.model_type].ffn_out)
    for layer in body.layers:
        layer.register_forward_pre_hook(listener.enter)
    body.norm.register_forward_pre_hook(listener.enter)
    for number, layer in enumerate(body.layers):
        inputs = partial(listener.add_neurons, number)
        layer.get_submodule(listener.ffn_out).register_forward_pre_hook(inputs)
    batches = _batches(windows)
    for number, batch in enumerate(batches, start=1):
        longest = max(map(len, batch))
        padded = torch.tensor([[*one, *[0] * (longest - len(one))] for one in batch])
        lengths = torch.tensor([len(one) for one in batch])
        places = torch.arange(longest)
        listener.begin((places > 0) & (places < lengths[:, None]))
        body(input_ids=padded, use_cache=False)
        on_progress(number / len(batches))
    return listener.measured(checkpoint)


class _Listener:
    """Sums up what passes through the layers; keeps the states of one batch before at most
    `removed` + 1 layers."""

    def __init__(self, layers: int, removed: int, ffn_out: str) -> None:
        self.ffn_out = ffn_out
        self._tokens, self._real = 0, torch.zeros(0)
        self._angles = np.zeros(layers - removed + 1)
        self._squares: list[Any] = [0.0] * layers
        self._states: deque[torch.Tensor] = deque(maxlen=removed + 1)
        self._entered = 0

    def begin(self, real: torch.Tensor) -> None:
        """A batch whose tokens count where `real`, of shape (windows, longest), is true."""
        self._real, self._entered = real, 0
        self._tokens += int(real.sum())
        self._states.clear()

    def enter(self, _: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        """Sees the states before each layer in turn, and before the norm after the last."""
        self._states.append(given[0][self._real])
        if len(self._states) == self._states.maxlen:
            alike = nn.functional.cosine_similarity(self._states[0], self._states[-1], dim=-1)
            angles = alike.clamp(-1, 1).arccos() / math.pi
            self._angles[self._entered + 1 - len(self._states)] += float(angles.sum())
        self._entered += 1

    def add_neurons(self, number: int, _: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        self._squares[number] += given[0][self._real].square().sum(dim=0).double().numpy()

    def measured(self, checkpoint: Path) -> Measured:
        """Raises StepError for a checkpoint that computes NaN or infinity."""
        if not (np.isfinite(self._angles).all() and np.isfinite(self._squares).all()):
            raise StepError(
                f"{checkpoint}: it computes values that are no numbers; its weights are damaged, "
                "copy them again or train it anew."
            )
        found = tensors.read(checkpoint)
        columns = [
            sum(
                np.square(rows.astype(np.float64)).sum(axis=0)
                for rows in found[f"{LAYERS}{number}.{self.ffn_out}.weight"].rows()
            )
            for number in range(len(self._squares))
        ]
        return Measured(
            distances=self._angles / self._tokens,
            importance=np.stack(self._squares) / self._tokens * np.stack(columns),
        )


def _batches(windows: Sequence[Sequence[int]]) -> list[list[Sequence[int]]]:
    """Batches of similar length, each of at most BATCH_TOKENS tokens with its padding."""
    found: list[list[Sequence[int]]] = []
    for window in sorted(windows, key=len):
        if found and (len(found[-1]) + 1) * len(window) <= BATCH_TOKENS:
            found[-1].append(window)
        else:
            found.append([window])
    return found

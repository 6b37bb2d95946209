"""How large the weights of each head and neuron are: an importance that needs no text."""

from __future__ import annotations

import numpy as np

from edgekit.checkpoint.units import Layer


def neurons(layer: Layer) -> np.ndarray:
    """Squared norm of each neuron's rows times that of its column."""
    rows = layer.matrix(layer.names.ffn_in).weight.detach().square().sum(1)
    if layer.names.gated:
        rows = rows.view(2, -1).sum(0)
    if layer.names.ffn_gate is not None:
        rows = rows + layer.matrix(layer.names.ffn_gate).weight.detach().square().sum(1)
    columns = layer.matrix(layer.names.ffn_out).weight.detach().square().sum(0)
    return (rows * columns).cpu().double().numpy()


def heads(layer: Layer) -> np.ndarray:
    """Squared norm of each head's output weights."""
    columns = layer.matrix(layer.names.attention_out).weight.detach().square().sum(0)
    return columns.view(layer.heads, -1).sum(1).cpu().double().numpy()

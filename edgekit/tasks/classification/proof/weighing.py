"""How much each label counts in a loss, against how often it occurs."""

from __future__ import annotations

import numpy as np


def label_weights(counts: np.ndarray, balance: str) -> np.ndarray:
    """Weights with mean 1 over the rows: 'none', 'sqrt' or 'inverse' of the labels' counts."""
    power = {"none": 0.0, "sqrt": 0.5, "inverse": 1.0}[balance]
    weights = np.where(counts > 0, np.maximum(counts, 1).astype(float) ** -power, 0.0)
    return weights * counts.sum() / (weights * counts).sum()

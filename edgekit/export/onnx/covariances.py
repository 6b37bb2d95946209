"""How the channels of what matrices read go together: sums of products. Knows no texts.

A model's covariances may be many times its size: they are summed for some tensors at a time, each
group goes into a file of its own, and is read from there one by one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

HELD_BYTES = 500_000_000
COVARIANCES = "covariances"
"""The name of the folder that holds them."""


class Sums:
    """Of the products of every two channels, over all rows; float32 of (channels, channels)."""

    def __init__(self) -> None:
        self._sums: dict[str, np.ndarray] = {}
        self._rows: dict[str, int] = {}

    def add(self, name: str, tensor: np.ndarray) -> None:
        rows = tensor.reshape(-1, tensor.shape[-1])
        products = rows.T @ rows
        if name in self._sums:
            self._sums[name] += products
        else:
            self._sums[name] = products
        self._rows[name] = self._rows.get(name, 0) + len(rows)

    def write(self, folder: Path) -> None:
        """Adds a file to the folder."""
        found = {name: total / max(1, self._rows[name]) for name, total in self._sums.items()}
        save_file(found, folder / f"{len(list(folder.iterdir()))}.safetensors")


class Covariances:
    """What a folder holds; means of products around 0, not around the channels' means, for that is
    what an error of a weight is multiplied with."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, Path] = {}
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, "numpy") as opened:
                self._files |= dict.fromkeys(opened.keys(), path)

    def of(self, name: str) -> np.ndarray | None:
        """Read from the disk each time; None for a tensor that was not summed."""
        if name not in self._files:
            return None
        with safe_open(self._files[name], "numpy") as opened:
            found: np.ndarray = opened.get_tensor(name)
        return found

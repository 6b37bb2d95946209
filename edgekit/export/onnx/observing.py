"""What the matrices of an ONNX file read on real texts, channel by channel. Knows no texts.

An observed file is a copy whose graph also returns those tensors: a protobuf message that follows
another is merged into it (weights.py), so the copy is never held in memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from edgekit.export.onnx.graph import Graph, product_of
from edgekit.export.onnx.weights import append_output, open_weights

MOST_RUNS = 1000
"""A decoder runs once for every token."""
EVERY, KEPT_RUNS, KEPT_ROWS = 8, 16, 32
"""Rows are kept of every eighth run, of sixteen runs and 32 rows each at most."""
_FIELDS = ("low", "high", "square", "rows", "runs")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one tensor."""

    low: np.ndarray
    """(runs, channels), at most 0: every grid holds 0."""
    high: np.ndarray
    """(runs, channels), at least 0."""
    square: np.ndarray
    """(channels,): the mean square."""
    rows: np.ndarray
    """(rows, channels): some rows as they are, a run's loudest and quietest with them."""
    runs: np.ndarray
    """(rows,): the number of each row's run."""


class Observer:
    """Collects what the runs of one file return."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self._low: dict[str, list[np.ndarray]] = {name: [] for name in self.names}
        self._high: dict[str, list[np.ndarray]] = {name: [] for name in self.names}
        self._square: dict[str, np.ndarray] = {}
        self._kept: dict[str, list[np.ndarray]] = {name: [] for name in self.names}
        self._rows: dict[str, int] = dict.fromkeys(self.names, 0)

    def add(self, tensors: Sequence[np.ndarray]) -> None:
        """The tensors of one run, in the order of the names."""
        for name, tensor in zip(self.names, tensors, strict=True):
            rows = tensor.reshape(-1, tensor.shape[-1])
            if not len(rows) or len(self._low[name]) == MOST_RUNS:
                continue
            kept = self._kept[name]
            if len(self._low[name]) % EVERY == 0 and len(kept) < KEPT_RUNS:
                kept.append(_sample(rows))
            self._low[name].append(np.minimum(rows.min(axis=0), 0))
            self._high[name].append(np.maximum(rows.max(axis=0), 0))
            square = np.square(rows, dtype=np.float64).sum(axis=0)
            self._square[name] = self._square.get(name, 0) + square
            self._rows[name] += len(rows)

    def seen(self) -> dict[str, Seen]:
        """Of every tensor that a run returned."""
        return {
            name: Seen(
                np.stack(self._low[name]),
                np.stack(self._high[name]),
                (self._square[name] / self._rows[name]).astype(np.float32),
                np.concatenate(self._kept[name]),
                np.repeat(
                    np.arange(len(self._kept[name])) * EVERY, list(map(len, self._kept[name]))
                ),
            )
            for name in self.names
            if self._rows[name]
        }


def _sample(rows: np.ndarray) -> np.ndarray:
    """KEPT_ROWS of the rows at most, evenly chosen from the quietest to the loudest."""
    order = np.argsort(np.square(rows).sum(axis=1), kind="stable")
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), KEPT_ROWS)).round().astype(int)
    return np.array(rows[order[chosen]])


def observed(source: Path, out: Path) -> dict[str, int]:
    """Writes the copy of `source` that returns what its matrices read.

    Returns the names of these tensors, with their numbers of channels.
    """
    model, weights = open_weights(source)
    graph = Graph(model, weights)
    made = {entry.name for entry in model.graph.output}
    computed = {name for node in model.graph.node for name in node.output}
    products = ((node.input[0], product_of(graph, node)) for node in model.graph.node if node.input)
    found = {
        name: len(matrix) for name, matrix in products if matrix is not None and name in computed
    }
    shutil.copyfile(source, out)
    for name in sorted(found.keys() - made):
        append_output(out, name)
    return dict(sorted(found.items()))


def write(path: Path, seen: Mapping[str, Seen]) -> None:
    arrays = {
        f"{name} {field}": np.ascontiguousarray(getattr(one, field))
        for name, one in seen.items()
        for field in _FIELDS
    }
    save_file(arrays, path)


def read(path: Path) -> dict[str, Seen]:
    found = load_file(path)
    names = sorted({key.rsplit(" ", 1)[0] for key in found})
    return {name: Seen(*(found[f"{name} {field}"] for field in _FIELDS)) for name in names}

"""Writes a weights file from some rows and columns of other tensors. Knows no model.

The numbers are copied a few rows at a time in their stored dtype: no matrix is ever all in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from edgekit.checkpoint.tensors import Tensor

_ALIGNMENT = 8


class Written(Protocol):
    """A tensor that is written a few rows at a time."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def kind(self) -> str:
        """Its dtype, as safetensors calls it."""

    @property
    def item_bytes(self) -> int: ...

    def parts(self) -> Iterator[np.ndarray]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """What is kept of one tensor: all of it, or these rows and columns in this order."""

    source: Tensor
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        found = list(self.source.shape)
        for axis, kept in enumerate((self.rows, self.columns)):
            if kept is not None:
                found[axis] = len(kept)
        return tuple(found)

    @property
    def kind(self) -> str:
        return self.source.kind

    @property
    def item_bytes(self) -> int:
        return self.source.item_bytes

    def parts(self) -> Iterator[np.ndarray]:
        for part in self.source.stored(self.rows):
            yield part if self.columns is None else part[:, self.columns]


def write(
    path: Path,
    kept: Mapping[str, Written],
    *,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> None:
    """Writes a safetensors file with these tensors under these names."""
    header, end = {}, 0
    for name, part in kept.items():
        size = int(np.prod(part.shape)) * part.item_bytes
        header[name] = {
            "dtype": part.kind,
            "shape": list(part.shape),
            "data_offsets": [end, end + size],
        }
        end += size
    # transformers requires it: the library whose layout the weights have.
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    done = 0
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for part in kept.values():
            for some in part.parts():
                done += stream.write(np.ascontiguousarray(some).tobytes())
            on_progress(done / end)

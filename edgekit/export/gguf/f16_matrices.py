"""Maps the matrices of an f16 GGUF. Reads nothing that is not asked for."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edgekit.export.gguf.header import Entry
from edgekit.export.gguf.types import TYPES

_DTYPES = {TYPES["f32"].number: np.float32, TYPES["f16"].number: np.float16}


def rows(model: Path, entry: Entry) -> np.ndarray:
    """A matrix as it is in the file, of shape (rows, columns)."""
    columns, *others = entry.shape
    shape = (math.prod(others), columns)
    dtype = _DTYPES[entry.type]
    return np.memmap(model, dtype=dtype, mode="r", offset=entry.offset, shape=shape)

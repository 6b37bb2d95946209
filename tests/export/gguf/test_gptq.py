"""Weights rounded by GPTQ stay in their type and place, lose less, and a killed run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.export.gguf import (
    blocks,
    convert,
    divergence,
    gptq,
    header,
    importance,
    library,
    predicting,
    quantizing,
    rounding,
)
from edgekit.export.gguf.types import FAST, NAMES, TYPES
from edgekit.export.gptq import factor
from tests.tiny import llama as tiny_llama

TOKENS = [list(range(5, 45)), list(range(300, 380, 2)), list(range(600, 660))]
CHUNK = library.load().ggml_quantize_chunk


def correlated(rng: np.random.Generator, columns: int) -> np.ndarray:
    """The covariance of inputs that mostly lie in a quarter of all directions."""
    few = rng.normal(size=(4 * columns, columns // 4)) @ rng.normal(size=(columns // 4, columns))
    inputs = few + 0.3 * rng.normal(size=few.shape)
    return (inputs.T @ inputs / len(inputs)).astype(np.float32)


def lost(values: np.ndarray, packed: np.ndarray, type_: str, covariance: np.ndarray) -> float:
    """The expected square of the error in the products."""
    error = blocks.dequantize(packed, type_) - values
    return float(np.einsum("ij,ij->", error @ covariance, error))


@pytest.mark.parametrize("type_", FAST)
@given(seed=st.integers(0, 2**32 - 1))
def test_codes_and_levels_are_those_of_ggml(type_: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(3, TYPES[type_].block)).astype(np.float32)
    packed = blocks.quantize(CHUNK, values, type_, np.ones(values.shape[1]))
    levels = blocks.Levels.of(packed, type_)
    whole = blocks.dequantize(packed, type_)
    found = [levels.nearest(whole[:, weight], weight) for weight in range(values.shape[1])]
    codes, again = (np.stack(one, axis=1) for one in zip(*found, strict=True))
    np.testing.assert_allclose(again, whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        blocks.dequantize(blocks.with_codes(packed, type_, codes), type_), whole, atol=1e-5
    )


@pytest.mark.parametrize("type_", FAST)
def test_products_lose_less_than_by_rounding_each_weight_alone(type_: str) -> None:
    rng = np.random.default_rng(7)
    values = rng.normal(size=(32, 512)).astype(np.float32)
    covariance = correlated(rng, 512)
    upper = factor(covariance)
    assert upper is not None
    alone = blocks.quantize(CHUNK, values, type_, np.diag(covariance))
    found = gptq.quantize(CHUNK, values, type_, upper)
    assert found.shape == alone.shape
    assert lost(values, found, type_, covariance) < 0.7 * lost(values, alone, type_, covariance)


def test_without_correlation_each_weight_takes_its_nearest_level() -> None:
    values = np.random.default_rng(7).normal(size=(8, 64)).astype(np.float32)
    upper = factor(np.eye(64, dtype=np.float32))
    assert upper is not None
    packed = gptq.quantize(CHUNK, values, "q8_0", upper)
    error = np.abs(blocks.dequantize(packed, "q8_0") - values)
    steps = np.abs(values).reshape(8, 2, 32).max(axis=2).repeat(32, axis=1) / 127
    assert (error <= 0.51 * steps).all()


def test_inputs_that_are_always_zero_say_nothing() -> None:
    assert factor(np.zeros((64, 64), dtype=np.float32)) is None


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gptq")
    convert.convert(tiny_llama.make_checkpoint(folder / "c", layers=2), folder / "half.gguf")
    importance.measure(folder / "half.gguf", TOKENS, folder / "importance.npz", threads=1)
    return folder / "half.gguf"


def quantized(half: Path, out: Path) -> Path:
    quantizing.quantize(half, out, mix="q4_0", importance=half.parent / "importance.npz", threads=1)
    return out


def test_a_rounded_file_predicts_better_and_keeps_its_types(half: Path, tmp_path: Path) -> None:
    file = quantized(half, tmp_path / "model.gguf")
    before, tensors = file.read_bytes(), header.read(file)
    found = rounding.anew(half, file, TOKENS, threads=2)
    assert header.read(file) == tensors
    after = file.read_bytes()
    matrices = [one for one in tensors if ".weight" in one.name and len(one.shape) > 1]
    for entry in matrices:
        end = entry.offset + entry.shape[1] * TYPES[NAMES[entry.type]].row_bytes(entry.shape[0])
        same = before[entry.offset : end] == after[entry.offset : end]
        assert same == (entry.name == "token_embd.weight"), entry.name
    assert found["rounded"] == len(matrices) - 1
    parent, other = tmp_path / "parent", tmp_path / "other"
    predicting.predict(half, TOKENS, parent, threads=1)
    klds = []
    for path in (quantized(half, tmp_path / "plain.gguf"), file):
        predicting.predict(path, TOKENS, other, threads=1, at=parent)
        klds.append(divergence.compare(parent, other).kld.mean())
    assert klds[1] < 0.8 * klds[0]


class Stop(Exception):
    pass


def stop(fraction: float) -> None:
    if fraction > 0.5:
        raise Stop


def test_rounding_goes_on_where_it_was_stopped(
    half: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = quantized(half, tmp_path / "model.gguf")
    rounding.anew(half, file, TOKENS, threads=1)
    monkeypatch.setattr(rounding, "COVARIANCES_BYTES", 170_000)
    stopped = quantized(half, tmp_path / "stopped.gguf")
    with pytest.raises(Stop):
        rounding.anew(
            half, stopped, TOKENS, threads=1, on_progress=stop, progress=tmp_path / "progress"
        )
    told: list[float] = []
    rounding.anew(
        half, stopped, TOKENS, threads=1, on_progress=told.append, progress=tmp_path / "progress"
    )
    assert min(told) >= 0.5
    assert stopped.read_bytes() == file.read_bytes()

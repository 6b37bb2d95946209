"""Weights in 8 bits make up for each other's errors: products lose less, on the same grids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.export.gptq import held_together
from edgekit.export.onnx import observing
from edgekit.export.onnx.compensating import compensated_rows
from edgekit.export.onnx.covariances import Covariances, Sums
from edgekit.export.onnx.grids import PAIR, quantize_rows
from edgekit.export.onnx.quantize import quantize
from tests.export.onnx.test_smoothing import GRAPHS, NORM, answers, inputs, made, node


def correlated(rng: np.random.Generator, columns: int) -> np.ndarray:
    """Inputs that mostly lie in a quarter of all directions, some channels louder than others."""
    few = rng.normal(size=(6 * columns, columns // 4 + 1))
    rows = few @ rng.normal(size=(columns // 4 + 1, columns)) + 0.3 * rng.normal(
        size=(6 * columns, columns)
    )
    return (rows * rng.lognormal(size=columns)).astype(np.float32)


def lost(rows: np.ndarray, found: tuple[np.ndarray, np.ndarray], covariance: np.ndarray) -> float:
    """The expected square of the error in the products."""
    error = found[0] * found[1][:, None] - rows
    return float(np.einsum("ij,ij->", error @ covariance, error))


@pytest.mark.parametrize("paired", [False, True])
@given(seed=st.integers(0, 2**32 - 1), columns=st.integers(40, 150))
def test_products_lose_less_and_every_integer_is_on_the_grid(
    paired: bool, seed: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(16, columns)).astype(np.float32)
    inputs_ = correlated(rng, columns)
    covariance = inputs_.T @ inputs_ / len(inputs_)
    integers, scales = compensated_rows(rows, covariance, limit=127, paired=paired)
    assert integers.dtype == np.int8
    assert np.abs(integers.astype(int)).max() <= 127
    if paired:
        even, odd = integers[:, 0 : columns - 1 : 2].astype(int), integers[:, 1::2].astype(int)
        assert np.abs(even + odd).max() <= PAIR
    alone = quantize_rows(rows, limit=127, paired=paired, weighed=np.diag(covariance))
    assert lost(rows, (integers, scales), covariance) < lost(rows, alone, covariance)


def test_inputs_that_never_occur_leave_the_nearest_integers() -> None:
    rows = np.random.default_rng(7).normal(size=(8, 64)).astype(np.float32)
    found = compensated_rows(rows, np.zeros((64, 64), np.float32), limit=127, paired=True)
    assert all(
        np.array_equal(one, other)
        for one, other in zip(found, quantize_rows(rows, limit=127, paired=True), strict=True)
    )


def test_covariances_are_summed_in_groups_and_read_one_by_one(tmp_path: Path) -> None:
    columns = {"a": 3, "b": 4, "c": 4, "d": 9, "e": 1}
    found = list(held_together(columns.items(), 4 * (3**2 + 4**2)))
    assert found == [["a", "b"], ["c"], ["d"], ["e"]]
    tensors = [np.arange(24, dtype=np.float32).reshape(2, 4, 3), np.ones((1, 2, 3), np.float32)]
    for name in ("a", "b"):
        sums = Sums()
        for tensor in tensors:
            sums.add(name, tensor)
        sums.write(tmp_path)
    both = np.concatenate([one.reshape(-1, 3) for one in tensors])
    held = Covariances(tmp_path)
    for name in ("a", "b"):
        np.testing.assert_allclose(held.of(name), both.T @ both / 10)
    assert held.of("c") is None
    assert Covariances(tmp_path / "none").of("a") is None


@pytest.mark.parametrize("name", ["norm", "norm that the residual reads, too", "one matrix twice"])
def test_a_file_is_nearer_to_fp32_with_the_covariances_of_what_its_matrices_read(
    name: str, tmp_path: Path
) -> None:
    twice = [NORM, node("MatMul", ["a", "w1"], ["b"]), node("MatMul", ["b", "w1"], ["y"])]
    source = made(tmp_path / "m.onnx", twice if name == "one matrix twice" else GRAPHS[name][0])
    rng = np.random.default_rng(3)
    mixed = rng.normal(size=(16, 64)).astype(np.float32)
    texts = [rng.normal(size=(1, 40, 16)).astype(np.float32) @ mixed for _ in range(12)]
    channels = observing.observed(source, tmp_path / "observed.onnx")
    observer, sums = observing.Observer(channels), Sums()
    session = onnxruntime.InferenceSession(
        str(tmp_path / "observed.onnx"), providers=["CPUExecutionProvider"]
    )
    for text in texts:
        tensors = session.run(list(channels), {"x": text})
        observer.add(tensors)
        for one, tensor in zip(channels, tensors, strict=True):
            sums.add(one, tensor)
    (tmp_path / "covariances").mkdir()
    sums.write(tmp_path / "covariances")
    wanted, errors = answers(source, texts), []
    for held in (None, Covariances(tmp_path / "covariances")):
        quantize(source, tmp_path / "q.onnx", scheme="s8", seen=observer.seen(), covariances=held)
        errors.append(np.square(answers(tmp_path / "q.onnx", texts) - wanted).mean())
    assert errors[1] < 0.9 * errors[0]
    # Also on what was not seen.
    assert np.isfinite(answers(tmp_path / "q.onnx", inputs())).all()

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from onnx import TensorProto, helper, numpy_helper

from edgekit.export.onnx import grids
from edgekit.export.onnx.grids import (
    BLOCK,
    PAIR,
    pack_nibbles,
    quantize_blocks,
    quantize_rows,
)

ROWS = npst.arrays(
    np.float32,
    npst.array_shapes(min_dims=2, max_dims=2, max_side=70),
    elements=st.floats(-100, 100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-2),
)


def back(integers: np.ndarray, scales: np.ndarray) -> np.ndarray:
    blocks = integers.reshape(*scales.shape, BLOCK) * scales[:, :, None]
    return blocks.reshape(integers.shape)


@given(ROWS)
def test_blocks_come_back_nearer_than_by_rounding_on_the_full_range(rows: np.ndarray) -> None:
    integers, scales = quantize_blocks(rows)
    assert integers.min() >= -8
    assert integers.max() <= 7
    assert np.array_equal(scales, scales.astype(np.float16).astype(np.float32))
    found = back(integers, scales)
    assert not found[:, rows.shape[1] :].any()
    filled = np.zeros(found.shape, np.float32)
    filled[:, : rows.shape[1]] = rows
    blocks = filled.reshape(-1, BLOCK)
    plain = np.abs(blocks).max(axis=1, keepdims=True) / 7
    rounded = np.rint(blocks / np.where(plain > 0, plain, 1)) * plain
    worst = np.square(rounded - blocks).sum(axis=1)
    error = np.square(found.reshape(-1, BLOCK) - blocks).sum(axis=1)
    # 16-bit scales take a thousandth of each weight.
    rounding = 1e-6 * np.square(blocks).sum(axis=1)
    assert (error <= worst * 1.01 + rounding + 1e-9).all()


def test_weights_that_were_on_such_a_grid_are_exact() -> None:
    generator = np.random.default_rng(0)
    scales = generator.uniform(0.01, 1, (40, 3)).astype(np.float16).astype(np.float32)
    integers = generator.integers(-8, 8, (40, 3 * BLOCK)).astype(np.int8)
    rows = back(integers, scales)
    assert np.array_equal(back(*quantize_blocks(rows)), rows)


def test_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 64)).astype(np.float32)
    whole = quantize_blocks(rows)
    monkeypatch.setattr(grids, "PART", 200)
    assert all(np.array_equal(*pair) for pair in zip(whole, quantize_blocks(rows), strict=True))


def test_nibbles_are_packed_low_half_first() -> None:
    assert pack_nibbles(np.array([[-8, 7, 0, -1]], np.int8)).tolist() == [[0xF0, 0x78]]


@given(ROWS)
def test_pairs_never_exceed_what_16_bits_hold_and_are_nearer_than_7_bits(rows: np.ndarray) -> None:
    integers, scales = quantize_rows(rows, limit=127, paired=True)
    whole = integers.astype(int)
    assert np.abs(whole).max() <= 127
    pairs = whole[:, : rows.shape[1] // 2 * 2].reshape(len(rows), -1, 2)
    assert np.abs(pairs.sum(axis=2)).max(initial=0) <= PAIR
    plain = np.abs(rows).max(axis=1, keepdims=True) / 64
    seven = np.rint(rows / np.where(plain > 0, plain, 1)) * plain
    error = np.square(whole * scales[:, None] - rows).sum(axis=1)
    assert (error <= np.square(seven - rows).sum(axis=1) * 1.01 + 1e-9).all()


def test_pairs_take_less_than_half_of_the_error_of_7_bits() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 384)).astype(np.float32)
    errors = [
        float(np.square(integers * scales[:, None] - rows).sum())
        for integers, scales in (
            quantize_rows(rows, limit=127, paired=True),
            quantize_rows(rows, limit=64),
        )
    ]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("inputs", [1, 2, 4, 6, 7, 64, 131, 384, 387, 1541])
@pytest.mark.parametrize("texts", [1, 2, 5, 13])
def test_onnxruntime_multiplies_full_pairs_exactly(inputs: int, texts: int) -> None:
    """On a CPU with AVX2 and without VNNI this holds of these pairs alone."""
    generator = np.random.default_rng(inputs)
    first = generator.integers(1, 128, (inputs // 2 + 1, 40))
    signs = generator.choice([-1, 1], first.shape)
    columns = np.stack([first * signs, (PAIR - first) * signs], axis=1).reshape(-1, 40)[:inputs]
    given = np.full((texts, inputs), 255, np.uint8)
    nodes = [helper.make_node("MatMulInteger", ["x", "w", "x_zero", "w_zero"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", inputs])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, ["n", 40])],
        [
            numpy_helper.from_array(columns.astype(np.int8), "w"),
            numpy_helper.from_array(np.array(0, np.uint8), "x_zero"),
            numpy_helper.from_array(np.zeros(40, np.int8), "w_zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    assert np.array_equal(session.run(None, {"x": given})[0], given.astype(int) @ columns)

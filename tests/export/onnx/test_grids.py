from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgekit.export.onnx import grids
from edgekit.export.onnx.grids import BLOCK, pack_nibbles, quantize_blocks

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

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ExportError
from edgekit.export.onnx.grids import quantize_rows
from edgekit.export.onnx.quantize import SCHEMES, quantize
from edgekit.system import child

VOCABULARY, HIDDEN, LABELS = 200, 96, 64


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    shapes = {"table": (VOCABULARY, HIDDEN), "w": (HIDDEN, 128), "head": (LABELS, 128)}
    found = {
        name: generator.normal(size=shape).astype(np.float32) for name, shape in shapes.items()
    }
    # One loud output and one loud row must not spoil the others.
    found["head"][3] *= 40
    found["table"][7] *= 40
    found["bias"] = generator.normal(size=LABELS).astype(np.float32)
    return found


@pytest.fixture(scope="module")
def source(weights: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ids -> table -> MatMul -> Gemm: what classifiers are made of."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"]),
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Gemm", ["h", "head", "bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", LABELS])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    onnx.save(model, path)
    return path


def run(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rows = [session.run(None, {"ids": np.array([number])})[0] for number in range(50)]
    return np.delete(np.concatenate(rows), 3, axis=1)


@pytest.mark.parametrize(("scheme", "most"), [("s8", 0.03), ("u8", 0.02), ("int4", 0.2)])
def test_the_quantized_model_answers_like_fp32(
    source: Path, tmp_path: Path, scheme: str, most: float
) -> None:
    done = quantize(source, tmp_path / "q.onnx", scheme=scheme)
    wanted, found = run(source), run(tmp_path / "q.onnx")
    error = np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    assert error.max() < most
    assert (done.matrices, done.tables, done.kept_fp32) == (2, 1, 0)
    assert done.size_bytes < source.stat().st_size / 2.5


@pytest.mark.parametrize("scheme", ["s8", "int4"])
def test_word_embeddings_in_4_bits_answer_like_fp32(
    source: Path, tmp_path: Path, scheme: str
) -> None:
    plain = quantize(source, tmp_path / "plain.onnx", scheme=scheme)
    done = quantize(source, tmp_path / "q.onnx", scheme=scheme, embeddings="int4")
    assert (plain.embeddings, done.embeddings) == ("int8", "int4")
    # 0.5 bytes and a sixteenth for a weight instead of 1, and a scale of 4 bytes for a row.
    saved = VOCABULARY * (HIDDEN + 4 - HIDDEN * (1 / 2 + 2 / 32))
    assert plain.size_bytes - done.size_bytes == pytest.approx(saved, rel=0.05)
    wanted, found = run(source), run(tmp_path / "q.onnx")
    error = np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(wanted, axis=1)
    assert np.median(error) < (0.1 if scheme == "s8" else 0.2)


def test_only_the_largest_table_goes_to_4_bits(tmp_path: Path) -> None:
    """Positions are few and each is in every text."""
    generator = np.random.default_rng(0)
    shapes = {"words": (300, 64), "positions": (100, 64), "w": (64, 64)}
    values = {name: generator.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    done = quantize(two_tables(tmp_path / "m.onnx", values), tmp_path / "q", **FOUR)
    assert (done.tables, done.embeddings) == (2, "int4")
    lookups = [
        node.op_type for node in onnx.load(tmp_path / "q").graph.node if "Gather" in node.op_type
    ]
    assert sorted(lookups) == ["Gather", "Gather", "GatherBlockQuantized"]


def test_rows_that_are_no_whole_blocks_stay_in_8_bits_and_that_is_told(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    shapes = {"words": (300, 72), "positions": (100, 72), "w": (72, 64)}
    values = {name: generator.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    done = quantize(two_tables(tmp_path / "m.onnx", values), tmp_path / "q", **FOUR)
    assert (done.tables, done.embeddings) == (2, "int8")


FOUR: dict[str, str] = {"scheme": "s8", "embeddings": "int4"}


def two_tables(path: Path, values: dict[str, np.ndarray]) -> Path:
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["a"]),
        helper.make_node("Gather", ["positions", "ids"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["x"]),
        helper.make_node("MatMul", ["x", "w"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 64])],
        [numpy_helper.from_array(one, name) for name, one in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)
    return path


def test_weights_of_s8_cannot_saturate_a_16_bit_sum(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "q.onnx", scheme="s8")
    model = onnx.load(tmp_path / "q.onnx")
    products = [node for node in model.graph.node if node.op_type == "MatMulInteger"]
    assert len(products) == 2
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in products:
        matrix = stored[node.input[1]]
        assert matrix.dtype == np.int8
        pairs = matrix.astype(int)[: len(matrix) // 2 * 2].reshape(-1, 2, matrix.shape[1])
        assert 255 * int(np.abs(pairs.sum(axis=1)).max()) < 2**15
        assert np.abs(matrix.astype(int)).max() > 64


def test_nothing_of_fp32_stays_behind(source: Path, tmp_path: Path) -> None:
    for scheme in SCHEMES:
        quantize(source, tmp_path / "q.onnx", scheme=scheme)
        stored = onnx.load(tmp_path / "q.onnx").graph.initializer
        floats = [t for t in stored if t.data_type == TensorProto.FLOAT]
        assert sum(np.prod(t.dims) for t in floats) < 2000


def test_the_same_input_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    for scheme in SCHEMES:
        for name in ("a", "b"):
            quantize(source, tmp_path / name, scheme=scheme)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_model_with_nothing_to_quantize_is_told(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    onnx.save(helper.make_model(graph), tmp_path / "small.onnx")
    with pytest.raises(ExportError, match="no matrix of this model could be quantized"):
        quantize(tmp_path / "small.onnx", tmp_path / "q.onnx", scheme="s8")


def test_the_child_process_tells_its_peak(source: Path, tmp_path: Path) -> None:
    told = apart(source, tmp_path / "q.onnx")
    assert told["size_bytes"] == (tmp_path / "q.onnx").stat().st_size
    assert told["peak_bytes"] > 10_000_000


def test_what_a_child_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"\x0b" * 50)
    with pytest.raises(ExportError, match=r"quantizing failed: .*this is no ONNX file"):
        apart(tmp_path / "bad", tmp_path / "q")


def apart(source: Path, out: Path) -> dict[str, Any]:
    request = {"source": source, "out": out, "scheme": "s8", "embeddings": "int8", "seen": None}
    return child.ask("edgekit.export.onnx.quantize", "quantize", request, doing="quantizing")


ROWS = npst.arrays(
    np.float32,
    npst.array_shapes(min_dims=2, max_dims=2, max_side=20),
    elements=st.floats(-1e4, 1e4, width=32).filter(lambda x: x == 0 or abs(x) > 1e-6),
)


@given(ROWS, st.sampled_from([7, 64, 127]))
def test_rows_come_back_as_near_as_their_grid_allows(rows: np.ndarray, limit: int) -> None:
    integers, scales = quantize_rows(rows, limit=limit)
    assert np.abs(integers.astype(int)).max() <= limit
    back = integers * scales[:, None]
    plain = np.abs(rows).max(axis=1) / limit
    # At least as near in the square sum as rounding on the full range would be.
    worst = len(rows[0]) * (plain / 2) ** 2
    assert (np.square(back - rows).sum(axis=1) <= worst * 1.001 + 1e-9).all()


@given(st.integers(1, 9))
def test_rows_that_fit_the_grid_are_exact(scale: int) -> None:
    rows = scale * np.arange(-64, 65, dtype=np.float32)[None, :]
    integers, scales = quantize_rows(rows, limit=64)
    assert np.array_equal(integers * scales[:, None], rows)

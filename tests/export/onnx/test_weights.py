from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import ExportError
from edgekit.export.onnx import weights
from edgekit.export.onnx.weights import append_weight, open_weights

TABLE = np.arange(6000, dtype=np.float32).reshape(60, 100) / 7
BIAS = np.arange(100, dtype=np.float32)
SHAPE = np.arange(2000, dtype=np.int64)


def save(path: Path, *tensors: tuple[str, np.ndarray]) -> None:
    """ids -> table -> + bias, with the initializers that are given."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"]),
        helper.make_node("Add", ["x", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 100])],
        [numpy_helper.from_array(values, name) for name, values in tensors],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save(model, path)


def test_large_float_tensors_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save(path, ("table", TABLE), ("bias", BIAS), ("shape", SHAPE))
    model, lifted = open_weights(path)
    assert set(lifted) == {"table"}
    assert np.array_equal(lifted["table"], TABLE)
    assert model.ByteSize() < path.stat().st_size - TABLE.nbytes + 200
    kept = {one.name: one for one in model.graph.initializer}
    assert list(kept) == ["table", "bias", "shape"]
    assert tuple(kept["table"].dims) == TABLE.shape
    assert np.array_equal(numpy_helper.to_array(kept["bias"]), BIAS)
    assert np.array_equal(numpy_helper.to_array(kept["shape"]), SHAPE)
    assert [node.op_type for node in model.graph.node] == ["Gather", "Add"]


def test_an_appended_tensor_is_one_of_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "PART", 999)
    path = tmp_path / "model.onnx"
    save(path, ("bias", BIAS))
    append_weight(path, "table", TABLE)
    onnx.checker.check_model(onnx.load(path))
    assert np.array_equal(open_weights(path)[1]["table"], TABLE)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {"ids": np.array([3, 59])})[0]
    assert np.array_equal(found, TABLE[[3, 59]] + BIAS)


@given(st.data())
def test_a_damaged_file_is_told(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    save(path, ("table", TABLE), ("bias", BIAS))
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(len(whole) - 23_000, len(whole) - 40))])
    with pytest.raises(ExportError, match="cut or damaged; export it again"):
        open_weights(path)


def test_what_is_no_onnx_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for content in (b"", b"\x0b" * 50, b"\xff" * 50):
        path.write_bytes(content)
        with pytest.raises(ExportError, match="no ONNX file"):
            open_weights(path)

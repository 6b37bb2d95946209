"""A file that divides its logits by the temperature gives the calibrated scores to anybody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.export.onnx import calibrated
from edgekit.runtime.numerics import softmax

X = np.random.default_rng(5).normal(size=(3, 4)).astype(np.float32)


def run(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"x": X})[0])


@pytest.mark.parametrize("read_again", [False, True])
def test_the_output_keeps_its_name_and_is_divided(tmp_path: Path, read_again: bool) -> None:
    weights = numpy_helper.from_array(np.eye(4, dtype=np.float32) * 3, "w")
    # Another node may read the logits, too.
    nodes = [helper.make_node("MatMul", ["x", "w"], ["logits"])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 4])]
    if read_again:
        nodes.append(helper.make_node("Exp", ["logits"], ["powers"]))
        outputs.append(helper.make_tensor_value_info("powers", TensorProto.FLOAT, ["n", 4]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        outputs,
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    before = run(tmp_path / "m.onnx")
    calibrated.divide(tmp_path / "m.onnx", tmp_path / "c.onnx", 1.7)
    np.testing.assert_allclose(
        softmax(run(tmp_path / "c.onnx")), softmax(before, 1.7), rtol=0, atol=1e-6
    )

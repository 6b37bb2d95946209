"""A machine is measured in seconds, and what was measured travels as a file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.bench import decoding, operators, probe
from edgekit.bench.onnx_bytes import Node, model
from edgekit.bench.probe import Probe
from edgekit.errors import DataError, EdgekitError
from edgekit.runtime.gguf.native import Llama, Opening
from edgekit.runtime.sessions import open_session
from edgekit.system.cancel import Cancel


@pytest.fixture(scope="module")
def taken() -> Probe:
    return probe.take(seconds=0.1, layers=1)


def test_the_models_are_what_onnx_would_write() -> None:
    data = model(
        [Node("MatMul", ("x", "w"), ("y",))],
        inputs={"x": (300, 4)},
        weights={"w": np.arange(8, dtype=np.float32).reshape(4, 2)},
        output="y",
    )
    parsed = onnx.load_from_string(data)
    [weight] = parsed.graph.initializer
    assert (weight.name, list(weight.dims)) == ("w", [4, 2])
    assert [one.dim_value for one in parsed.graph.input[0].type.tensor_type.shape.dim] == [300, 4]
    x = np.ones((300, 4), dtype=np.float32)
    [y] = open_session(lambda: data, 1).run(None, {"x": x})
    assert np.array_equal(y, x @ np.arange(8, dtype=np.float32).reshape(4, 2))


@pytest.mark.parametrize(
    ("kind", "shape"), [("MatMulInteger", (3, 8, 5)), ("attention", (2, 4, 8))]
)
def test_each_operator_computes_what_it_says(kind: str, shape: tuple[int, ...]) -> None:
    data, inputs = operators._MODELS[kind](*shape)
    [found] = open_session(lambda: data, 1).run(None, inputs)
    assert {node.op_type for node in onnx.load_from_string(data).graph.node} == {
        "MatMulInteger": {"DynamicQuantizeLinear", "MatMulInteger"},
        "attention": {"MatMul", "Softmax"},
    }[kind]
    assert found.shape == ((3, 5) if kind == "MatMulInteger" else (2, 4, 8))


def test_the_decoder_of_random_weights_opens_and_predicts(tmp_path: Path) -> None:
    decoding.write(tmp_path / "probe.gguf", layers=1)
    opened = Llama(tmp_path / "probe.gguf", Opening(context=64, threads=1))
    opened.evaluate(range(10), Cancel())
    assert np.isfinite(opened.logits()).all()
    assert opened.vocabulary_size == decoding.VOCABULARY
    opened.close()


def test_everything_is_measured(taken: Probe) -> None:
    assert len(taken.operators) == 2 * len(operators.SHAPES) + len(operators.ATTENTION)
    assert all(one.us > 0 for one in taken.operators)
    assert taken.decoding is not None
    assert min(taken.decoding.tokens_per_s, taken.decoding.prompt_tokens_per_s) > 0
    assert 0 < taken.available_bytes <= taken.memory_bytes


def test_what_was_measured_travels(taken: Probe, tmp_path: Path) -> None:
    probe.write(taken, tmp_path / "laptop.json")
    assert probe.read(tmp_path / "laptop.json") == taken
    with pytest.raises(EdgekitError, match="name another place"):
        probe.write(taken, tmp_path / "nowhere" / "laptop.json")


def test_other_files_and_schemas_are_refused(taken: Probe, tmp_path: Path) -> None:
    path = tmp_path / "laptop.json"
    path.write_text(json.dumps({**taken.as_json(), "edgekit_probe": 2}))
    with pytest.raises(DataError, match="schema 2 and this edgekit reads 1"):
        probe.read(path)
    for text in ("{}", "[]", "no json", json.dumps({"edgekit_probe": 1, "system": "x"})):
        path.write_text(text)
        with pytest.raises(DataError, match="no file of `edgekit probe`"):
            probe.read(path)
    with pytest.raises(DataError, match="no file of `edgekit probe`"):
        probe.read(tmp_path / "missing.json")

"""Channels are scaled where it costs least, and the model answers as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgekit.checkpoint import models
from edgekit.checkpoint.generation import search_settings
from edgekit.export.onnx import observing, smoothing
from edgekit.export.onnx.observing import Observer, Seen
from edgekit.export.onnx.quantize import quantize
from edgekit.export.onnx.seq2seq import calibration, tracing
from edgekit.export.onnx.seq2seq.proof import open_pair
from edgekit.runtime.seq2seq.files import DECODER, ENCODER
from tests.export.onnx import smoothed
from tests.export.onnx.test_seq2seq import job_of
from tests.tiny import seq2seq as tiny_seq2seq

WIDTH, HEADS = 64, 4
LOUD = (3, 40)
"""Channels that are much louder than the others."""


def made(path: Path, nodes: list[NodeProto], *, seed: int = 0, opset: int = 17) -> Path:
    """A model from x (1, positions, WIDTH) to y; its constants are named by their first letter."""
    generator = np.random.default_rng(seed)
    computed = {name for node in nodes for name in node.output} | {"x"}
    shapes = {"w": (WIDTH, WIDTH), "v": (WIDTH,), "n": (WIDTH,)}
    names = {name for node in nodes for name in node.input} - computed
    constants = {
        name: generator.normal(size=shapes[name[0]]) for name in sorted(names) if name[0] in shapes
    }
    for name, values in constants.items():
        if name[0] == "n":  # the gain of a norm, which makes channels loud
            values[:] = 1
            values[list(LOUD)] = 60
    fixed = {"apart": [1, -1, HEADS, WIDTH // HEADS], "joined": [1, -1, WIDTH]}
    stored = [numpy_helper.from_array(one.astype("f4"), name) for name, one in constants.items()]
    stored += [
        numpy_helper.from_array(np.array(fixed[name]), name)
        for name in sorted(names & fixed.keys())
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "n", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, "n", WIDTH])],
        stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def inputs(count: int = 6) -> list[np.ndarray]:
    generator = np.random.default_rng(9)
    return [generator.normal(size=(1, 7, WIDTH)).astype(np.float32) for _ in range(count)]


def loud_rows() -> list[np.ndarray]:
    """The first row of every text is much louder than the others, and the last is nothing."""
    loudness = np.array([40, 1, 1, 1, 1, 1, 0], np.float32)
    return [one * loudness[:, None] for one in inputs()]


def answers(path: Path, texts: list[np.ndarray] | None = None) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["y"], {"x": one})[0] for one in texts or inputs()])


def seen_of(path: Path, folder: Path, texts: list[np.ndarray] | None = None) -> dict[str, Seen]:
    observer = Observer(observing.observed(path, folder / "observed.onnx"))
    session = onnxruntime.InferenceSession(
        str(folder / "observed.onnx"), providers=["CPUExecutionProvider"]
    )
    for one in texts or inputs():
        observer.add(session.run(list(observer.names), {"x": one}))
    return observer.seen()


node = helper.make_node
NORM = node("LayerNormalization", ["x", "norm", "v0"], ["a"], axis=-1)
GRAPHS: dict[str, tuple[list[NodeProto], int]] = {
    "norm": ([NORM, node("MatMul", ["a", "w1"], ["y"])], 0),
    "norm that the residual reads, too": (
        [NORM, node("MatMul", ["a", "w1"], ["b"]), node("Add", ["a", "b"], ["y"])],
        1,
    ),
    "norm of two matrices": (
        [
            NORM,
            node("MatMul", ["a", "w1"], ["b"]),
            node("MatMul", ["a", "w2"], ["c"]),
            node("Mul", ["b", "c"], ["y"]),
        ],
        0,
    ),
    "ReLU": (
        [
            node("MatMul", ["x", "w1"], ["a"]),
            node("Add", ["a", "v1"], ["b"]),
            node("Mul", ["b", "norm"], ["c"]),
            node("Relu", ["c"], ["d"]),
            node("MatMul", ["d", "w2"], ["y"]),
        ],
        0,
    ),
    "gate": (
        [
            node("MatMul", ["x", "w1"], ["a"]),
            node("Sigmoid", ["a"], ["b"]),
            node("MatMul", ["x", "w2"], ["c"]),
            node("Mul", ["c", "norm"], ["d"]),
            node("Mul", ["b", "d"], ["e"]),
            node("MatMul", ["e", "w3"], ["y"]),
        ],
        0,
    ),
    "a function that is not linear": (
        [
            node("Mul", ["x", "norm"], ["a"]),
            node("Sigmoid", ["a"], ["b"]),
            node("Mul", ["a", "b"], ["c"]),
            node("MatMul", ["c", "w1"], ["y"]),
        ],
        1,
    ),
    "attention": (
        [
            node("Mul", ["x", "norm"], ["a"]),
            node("MatMul", ["a", "w1"], ["b"]),
            node("Add", ["b", "v1"], ["c"]),
            node("Mul", ["c", "norm2"], ["d"]),
            node("Reshape", ["d", "apart"], ["e"]),
            node("Transpose", ["e"], ["f"], perm=[0, 2, 1, 3]),
            node("Reshape", ["x", "apart"], ["g"]),
            node("Transpose", ["g"], ["h"], perm=[0, 2, 1, 3]),
            node("Transpose", ["g"], ["i"], perm=[0, 2, 3, 1]),
            node("MatMul", ["h", "i"], ["j"]),
            node("Softmax", ["j"], ["k"], axis=-1),
            node("MatMul", ["k", "f"], ["l"]),
            node("Transpose", ["l"], ["m"], perm=[0, 2, 1, 3]),
            node("Reshape", ["m", "joined"], ["o"]),
            node("MatMul", ["o", "w2"], ["y"]),
        ],
        0,
    ),
    "one matrix for two tensors": (
        [
            NORM,
            node("MatMul", ["a", "w1"], ["b"]),
            node("Mul", ["b", "norm2"], ["c"]),
            node("MatMul", ["c", "w1"], ["y"]),
        ],
        0,
    ),
    "a gemm": (
        [
            node("Reshape", ["x", "joined"], ["a"]),
            node("Squeeze", ["a"], ["b"]),
            node("Gemm", ["b", "w1", "v1"], ["c"], transB=1),
            node("Mul", ["c", "norm"], ["d"]),
            node("Gemm", ["d", "w2", "v2"], ["e"], transB=1),
            node("Reshape", ["e", "joined"], ["y"]),
        ],
        0,
    ),
}


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_it_answers_as_before_and_int8_is_nearer(name: str, tmp_path: Path) -> None:
    nodes, most = GRAPHS[name]
    source = made(tmp_path / "m.onnx", nodes)
    seen = seen_of(source, tmp_path)
    added = smoothed.write(source, tmp_path / "s.onnx", seen)
    assert added <= most
    wanted = answers(source)
    size = np.abs(wanted).max()
    assert np.abs(answers(tmp_path / "s.onnx") - wanted).max() < 1e-4 * size
    for scheme in ("s8", "u8"):
        plain, smooth = tmp_path / "p.onnx", tmp_path / "q.onnx"
        quantize(source, plain, scheme=scheme)
        assert quantize(source, smooth, scheme=scheme, seen=seen).smoothed == added
        errors = [np.square(answers(path) - wanted).mean() for path in (plain, smooth)]
        assert errors[1] < 0.6 * errors[0]


def test_channels_that_are_alike_are_left_alone(tmp_path: Path) -> None:
    nodes = [
        node("Sigmoid", ["x"], ["a"]),
        node("MatMul", ["a", "w1"], ["b"]),
        node("Add", ["a", "b"], ["y"]),
    ]
    source = made(tmp_path / "m.onnx", nodes)
    done = quantize(source, tmp_path / "q.onnx", scheme="s8", seen=seen_of(source, tmp_path))
    assert done.smoothed == 0


LINEAR = {
    "MatMul": [node("Relu", ["x"], ["a"]), node("MatMul", ["a", "w1"], ["y"])],
    "Gemm": [
        node("Relu", ["x"], ["a"]),
        node("Squeeze", ["a"], ["b"]),
        node("Gemm", ["b", "w1", "v1"], ["c"], transB=1),
        node("Reshape", ["c", "joined"], ["y"]),
    ],
    "two matrices": [
        node("Relu", ["x"], ["a"]),
        node("MatMul", ["a", "w1"], ["b"]),
        node("MatMul", ["a", "w2"], ["c"]),
        node("Add", ["b", "c"], ["y"]),
    ],
}


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize("name", sorted(LINEAR))
def test_loud_rows_do_not_blur_quiet_ones(name: str, opset: int, tmp_path: Path) -> None:
    texts = loud_rows()
    source = made(tmp_path / "m.onnx", LINEAR[name], opset=opset)
    seen = seen_of(source, tmp_path, texts)
    wanted = answers(source, texts)
    for scheme in ("s8", "u8"):
        plain, rows = tmp_path / "p.onnx", tmp_path / "q.onnx"
        assert quantize(source, plain, scheme=scheme).by_row == 0
        assert quantize(source, rows, scheme=scheme, seen=seen).by_row == 1
        errors = [np.square(answers(path, texts) - wanted) for path in (plain, rows)]
        assert errors[1][:, 1:6].mean() < 0.1 * errors[0][:, 1:6].mean()
        assert errors[1][:, 0].mean() < 1.5 * errors[0][:, 0].mean()
        assert errors[1][:, 6].max() < 1e-6


def test_rows_that_are_alike_share_a_scale(tmp_path: Path) -> None:
    source = made(tmp_path / "m.onnx", LINEAR["MatMul"])
    done = quantize(source, tmp_path / "q.onnx", scheme="s8", seen=seen_of(source, tmp_path))
    assert done.by_row == 0


def test_some_rows_are_kept_the_loudest_with_them() -> None:
    observer = Observer(["a"])
    generator = np.random.default_rng(0)
    runs = [generator.normal(size=(1, 90, 5)).astype(np.float32) for _ in range(200)]
    for run in runs:
        observer.add([run])
    seen = observer.seen()["a"]
    kept = seen.rows
    assert kept.shape == (observing.KEPT_RUNS * observing.KEPT_ROWS, 5)
    loudest = runs[observing.EVERY][0][np.square(runs[observing.EVERY][0]).sum(axis=1).argmax()]
    assert np.array_equal(kept[2 * observing.KEPT_ROWS - 1], loudest)
    assert seen.runs[2 * observing.KEPT_ROWS - 1] == observing.EVERY


def test_texts_of_one_row_need_no_scale_of_their_own(tmp_path: Path) -> None:
    rows = [
        one[:, :1] * loudness for one, loudness in zip(inputs(), (1, 80, 1, 9, 1, 3), strict=True)
    ]
    source = made(tmp_path / "m.onnx", LINEAR["MatMul"])
    seen = seen_of(source, tmp_path, rows)
    assert quantize(source, tmp_path / "q.onnx", scheme="s8", seen=seen).by_row == 0


def test_what_was_seen_comes_back_from_its_file(tmp_path: Path) -> None:
    source = made(tmp_path / "m.onnx", GRAPHS["norm"][0])
    seen = seen_of(source, tmp_path)
    observing.write(tmp_path / "seen.safetensors", seen)
    back = observing.read(tmp_path / "seen.safetensors")
    assert list(back) == list(seen) == ["a"]
    assert np.array_equal(back["a"].low, seen["a"].low)
    assert back["a"].high.shape == (6, WIDTH)
    assert np.array_equal(back["a"].rows, seen["a"].rows)


@pytest.mark.parametrize("family", ["t5", "mbart", "marian"])
def test_both_files_of_a_writer_answer_as_before(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoothing, "LEAST_GAIN", -1e9)
    checkpoint = tiny_seq2seq.make_model(tmp_path / family, family=family, trained=False)
    job = job_of(checkpoint)
    for name in ("fp32", "seen", "smooth"):
        (tmp_path / name).mkdir()
    tracing.export(checkpoint, tmp_path / "fp32")
    settings = search_settings(models.load_seq2seq(checkpoint))
    pair = open_pair(job, tmp_path / "fp32", settings)
    texts = [one.text for one in tiny_seq2seq.pairs(3, seed=11)]
    written = [(pair.first_window(text), [4, 5, 6, 7]) for text in texts]
    calibration.observe(job, tmp_path / "fp32", settings, written, tmp_path / "seen")
    for name in (ENCODER, DECODER):
        seen = observing.read(tmp_path / "seen" / f"{name}.safetensors")
        assert seen
        smoothed.write(tmp_path / "fp32" / name, tmp_path / "smooth" / name, seen)
    scaled = open_pair(job, tmp_path / "smooth", settings)
    for ids, pieces in written:
        wanted = pair.logits(ids, pieces)
        assert np.abs(scaled.logits(ids, pieces) - wanted).max() < 1e-3 * np.abs(wanted).max()

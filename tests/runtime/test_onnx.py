"""One ONNX file: the same answer however it is asked, and nothing from outside the file."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, external_data_helper, helper

from edgekit.errors import ArtifactError, EdgekitError
from edgekit.runtime.onnx import LOGITS, MOST_THREADS, OnnxClassifier, OnnxModel
from edgekit.runtime.tokens import TextTokenizer
from tests.tiny.artifact import TEXTS, make_onnx, make_tokenizer

TOKENIZER = make_tokenizer()
ENCODER = TextTokenizer(TOKENIZER.to_str().encode(), max_tokens=48)
WORDS = " ".join(TEXTS).split()


def classifier(data: bytes, *, threads: int | None = None) -> OnnxClassifier:
    return OnnxClassifier(lambda: data, ENCODER, threads=threads)


def some_texts(count: int) -> list[str]:
    generator = random.Random(3)
    return [" ".join(generator.choices(WORDS, k=generator.randint(1, 90))) for _ in range(count)]


@pytest.mark.parametrize("int8", [True, False], ids=["int8", "fp32"])
def test_an_answer_depends_on_its_text_alone(int8: bool) -> None:
    """Bit-equal whether alone, in a stream, shuffled, or with any number of threads."""
    # Wide enough that onnxruntime splits the work among its threads.
    data = make_onnx(TOKENIZER.get_vocab_size(), width=256, int8=int8)
    texts = some_texts(60)
    with classifier(data, threads=1) as one, classifier(data, threads=4) as four:
        alone = {text: one.logits(text)[0].tobytes() for text in texts}
        assert {text: four.logits(text)[0].tobytes() for text in texts} == alone
        shuffled = random.Random(4).sample(texts, len(texts))
        streamed = zip(shuffled, four.map(shuffled), strict=True)
        assert {text: logits.tobytes() for text, (logits, _) in streamed} == alone


def test_a_long_text_is_the_mean_of_its_windows() -> None:
    text = "turn up the heating in the kitchen. " * 12
    with classifier(make_onnx(TOKENIZER.get_vocab_size())) as model:
        logits, parts = model.logits(text)
        windows = ENCODER.windows(text)
        pieces = [TOKENIZER.decode(ids) for ids in windows]
        each = np.stack([model.logits(piece)[0] for piece in pieces])
    assert parts == len(windows) > 2
    assert [ENCODER.windows(piece) for piece in pieces] == [[ids] for ids in windows]
    np.testing.assert_allclose(logits, each.mean(axis=0), rtol=1e-6)


def test_sessions_are_made_when_needed_and_the_file_read_for_each() -> None:
    data = make_onnx(TOKENIZER.get_vocab_size())
    reads = []

    def read() -> bytes:
        reads.append(len(data))
        return data

    with OnnxClassifier(read, ENCODER, threads=2) as model:
        assert len(reads) == 0
        model.logits("lamp")
        model.logits("lamp")
        assert len(reads) == 1
        list(model.map(TEXTS))
        assert len(reads) == 2
    with OnnxClassifier(read, ENCODER, threads=1) as model:
        model.logits("lamp")
        list(model.map(TEXTS))
        assert len(reads) == 3


def saying(threads: str) -> bytes:
    """A model that says how many threads help it."""
    model = ModelProto.FromString(make_onnx(TOKENIZER.get_vocab_size()))
    helper.set_model_props(model, {MOST_THREADS: threads})
    return bytes(model.SerializeToString())


def test_a_model_that_one_thread_serves_best_has_one_session() -> None:
    data, reads = saying("1"), []

    def read() -> bytes:
        reads.append(len(data))
        return data

    with OnnxModel(read, ENCODER, output=LOGITS, threads=2) as model:
        list(model.map(TEXTS))
        assert len(reads) == 1
        model.vector("lamp")  # the file is opened to hear of it, and that session is used no more
        model.vector("lamp")
        assert len(reads) == 2
        assert model._session(2) is model._session(1)


def test_what_a_model_says_of_threads_is_not_believed_blindly() -> None:
    with classifier(saying("0"), threads=2) as model:
        assert len(model.logits("lamp")[0]) > 1
    with classifier(saying("many"), threads=2) as model, pytest.raises(ArtifactError):
        model.logits("lamp")


def outside(location: str, offset: int, *, constant: bool) -> bytes:
    """A model whose weights are elsewhere; in an initializer or in a node's attribute."""
    model = ModelProto.FromString(make_onnx(TOKENIZER.get_vocab_size(), int8=False))
    weight = next(w for w in model.graph.initializer if w.data_type == TensorProto.FLOAT and w.dims)
    external_data_helper.set_external_data(
        weight, location=location, offset=offset, length=len(weight.raw_data)
    )
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    if constant:
        node = helper.make_node("Constant", [], [weight.name], value=weight)
        model.graph.node.insert(0, node)
        model.graph.initializer.remove(weight)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("nameless", [True, False], ids=["nameless file", "bytes"])
@pytest.mark.parametrize("constant", [False, True], ids=["initializer", "constant"])
def test_weights_outside_the_file_are_impossible(
    constant: bool, nameless: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither from the working folder, nor by any path, nor out of an open file or memory."""
    monkeypatch.chdir(tmp_path)
    if not nameless:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    (tmp_path / "weights.bin").write_bytes(bytes(4_000_000))
    memory = np.zeros(1_000_000, dtype=np.float32)
    with (tmp_path / "weights.bin").open("rb") as opened:
        for location, offset in (
            ("weights.bin", 0),
            (str(tmp_path / "weights.bin"), 0),
            ("../" * 9 + str(tmp_path / "weights.bin").lstrip("/"), 0),
            (str(opened.fileno()), 0),
            ("*/_ORT_MEM_ADDR_/*", memory.ctypes.data),
        ):
            with (
                classifier(outside(location, offset, constant=constant)) as model,
                pytest.raises(ArtifactError, match="cannot be opened"),
            ):
                model.logits("lamp")


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"not a model"])
def test_what_is_no_model_is_refused(data: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with classifier(data) as model, pytest.raises(ArtifactError, match="cannot be opened"):
        model.logits("lamp")
    assert capfd.readouterr() == ("", "")


def renamed(kind: Callable[[ModelProto], object], name: str) -> bytes:
    model = ModelProto.FromString(make_onnx(TOKENIZER.get_vocab_size()))
    old = kind(model).name  # type: ignore[attr-defined]
    for node in model.graph.node:
        node.input[:] = [name if entry == old else entry for entry in node.input]
        node.output[:] = [name if entry == old else entry for entry in node.output]
    kind(model).name = name  # type: ignore[attr-defined]
    return bytes(model.SerializeToString())


def test_a_model_of_another_kind_is_refused() -> None:
    for data, named in (
        (renamed(lambda model: model.graph.input[0], "pixel_values"), "pixel_values"),
        (renamed(lambda model: model.graph.output[0], "hidden_state"), "output 'logits'"),
    ):
        with classifier(data) as model, pytest.raises(ArtifactError, match=named):
            model.logits("lamp")


def test_an_id_that_the_model_lacks_is_an_error_of_ours() -> None:
    with (
        classifier(make_onnx(10)) as model,
        pytest.raises(ArtifactError, match="failed on a text of"),
    ):
        model.logits("kitchen")


def test_threads_must_be_there() -> None:
    with pytest.raises(EdgekitError, match="0 threads"):
        classifier(b"", threads=0)

"""A recipe for an encoder-decoder, from its folder to a summary; the artifact in a worker, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_seq2seq

import edgekit
from edgekit import build, plan, recipe
from edgekit.artifact import read, verify
from edgekit.errors import UnsupportedTask
from edgekit.outcome import Built


@pytest.fixture(scope="module", params=["t5", pytest.param("bart", marks=pytest.mark.slow)])
def built(
    request: pytest.FixtureRequest,
    tiny_writers: tiny_seq2seq.Writers,
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    folder = tmp_path_factory.mktemp(request.param)
    made = tiny_seq2seq.make_project(folder / "project", tiny_writers[request.param])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return build.compress(plan.make(recipe.read(made), out=folder / "out"))


def artifact_of(built: Built) -> Path:
    return built.artifacts[0].path


def test_a_tiny_summarizer_becomes_an_artifact_that_summarizes(built: Built) -> None:
    folder = artifact_of(built)
    verify(read(folder))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["model"]["files"] == ["encoder.onnx", "decoder.onnx"]
    assert manifest["model"]["summary"]["engine"] == "seq2seq"
    assert manifest["model"]["summary"]["generation"]["eos_token_ids"] == [tiny_seq2seq.END]
    assert manifest["labels"] == []
    right = 0
    pairs = tiny_seq2seq.pairs(20, seed=31)
    with edgekit.load(folder) as model:
        for pair in pairs:
            found = model.summarize(pair.text)
            assert (found.parts_read, found.parts, found.engine) == (1, 1, "seq2seq")
            right += found.text == pair.summary
        with pytest.raises(UnsupportedTask):
            model.classify("lamp on")
    assert right >= 4


def test_a_worker_writes_the_same(built: Built) -> None:
    texts = [pair.text for pair in tiny_seq2seq.pairs(3, seed=32)]
    with edgekit.load(artifact_of(built)) as here:
        wanted = [here.summarize(text).text for text in texts]
    with edgekit.load(artifact_of(built), isolate=True) as apart:
        assert [apart.summarize(text).text for text in texts] == wanted
        assert "".join(apart.summarize(texts[0], stream=True)) == wanted[0]


def test_a_long_text_is_read_in_parts(built: Built) -> None:
    text = "\n\n".join(pair.text + "." for pair in tiny_seq2seq.pairs(30, seed=33))
    with edgekit.load(artifact_of(built)) as model:
        found = model.summarize(text)
    assert found.parts > 5
    assert found.parts_read == found.parts
    assert found.text


def test_golden_answers_were_kept_and_are_not_empty(built: Built) -> None:
    golden = json.loads((artifact_of(built) / "golden.json").read_text())
    assert len(golden["inputs"]) >= 8
    assert sum(len(answer["tokens"]) for answer in golden["answers"]) > 8

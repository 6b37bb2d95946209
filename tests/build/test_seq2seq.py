"""A recipe for an encoder-decoder, from its folder to a summary; the artifact in a worker, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from transformers import AutoConfig, AutoTokenizer

import edgekit
from edgekit.artifact.folder import read, verify
from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.checkpoint import models
from edgekit.cli import DONE, ERROR, main
from edgekit.errors import ArtifactError, UnsupportedTask
from edgekit.recipe import recipe
from edgekit.runtime import golden
from edgekit.runtime.seq2seq.files import DECODER, ENCODER
from edgekit.runtime.tokens import TextTokenizer
from edgekit.tasks.summarization.proof import sides_torch
from edgekit.tasks.summarization.summary import Told
from tests.tiny import seq2seq as tiny_seq2seq


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


def test_transformers_reads_its_config_and_its_tokenizer(built: Built) -> None:
    folder = artifact_of(built)
    theirs = AutoTokenizer.from_pretrained(folder)
    ours = TextTokenizer(folder / "tokenizer.json", max_tokens=512)
    for pair in tiny_seq2seq.pairs(5, seed=32):
        assert [theirs(pair.text)["input_ids"]] == ours.windows(pair.text)
    config = AutoConfig.from_pretrained(folder)
    assert config.eos_token_id == theirs.eos_token_id == tiny_seq2seq.END
    said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert not {"transformers_version", "dtype", "torch_dtype", "_name_or_path"} & set(said)


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


def test_evaluate_judges_it_again(built: Built, capsys: pytest.CaptureFixture[str]) -> None:
    data = built.out.parent / "project" / "data" / "test.jsonl"
    command = ["evaluate", str(artifact_of(built)), "--data", str(data)]
    code = main([*command, "--against", str(built.teacher), "--json"])
    found = json.loads(capsys.readouterr().out)
    quality = built.artifacts[0].manifest["quality"]
    assert (found["rougeLsum"], found["kept"]) == (quality["rougeLsum"], quality["kept"])
    assert code == {"PASS": 0, "FAIL": 3, "INCONCLUSIVE": 4}[found["verdict"]]


def test_a_bench_compares_it_with_generate_at_the_same_beams(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "texts.txt"
    pairs = tiny_seq2seq.pairs(12, seed=34)
    data.write_text("\n".join(pair.text for pair in pairs), "utf-8")
    command = ["bench", str(artifact_of(built)), "--against", str(built.teacher)]
    options = ["--data", str(data), "--rounds", "1", "--threads", "1"]
    assert main([*command, *options, "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    for side in ("artifact", "torch_fp32"):
        assert all(found[side][name] > 0 for name in ("p50_ms", "tokens_per_s", "peak_rss_bytes"))
        assert 0 < found[side]["first_words_ms"] <= found[side]["p95_ms"]
    weights = (built.teacher / "model.safetensors").stat().st_size
    files = sum((artifact_of(built) / name).stat().st_size for name in (ENCODER, DECODER))
    assert found["ratio"]["size"] == pytest.approx(weights / files, rel=0.1)
    assert set(found["ratio"]) == {"size", "torch_fp32"}
    assert found["agreement"]["torch_fp32"] > 0.5
    assert main(["bench", str(artifact_of(built)), "--rounds", "1"]) == DONE
    assert "tokens/s" in capsys.readouterr().out
    assert main([*command, "--baseline"]) == ERROR
    assert "for classifiers" in capsys.readouterr().err


def test_torch_writes_with_the_settings_of_the_artifact(built: Built) -> None:
    """So that both sides do the same work; the teacher's own settings have one beam."""
    spec = read(artifact_of(built)).manifest.model
    assert spec.summary is not None
    asked = {"num_beams": 3, "max_length": 9, "min_length": 8}
    pairs = tiny_seq2seq.pairs(6, seed=35)
    summarize = sides_torch.summarizer(
        built.teacher,
        prefix=spec.prefix,
        max_tokens=spec.max_tokens,
        words=spec.summary.words,
        generation={**spec.summary.generation, **asked},
    )
    model = models.load_seq2seq(built.teacher)
    tokenizer = AutoTokenizer.from_pretrained(built.teacher)
    for pair in pairs:
        ids = tokenizer(pair.text, return_tensors="pt")["input_ids"]
        found = model.generate(ids, **asked)
        told: list[Told] = []
        text = tokenizer.decode(found[0], skip_special_tokens=True).strip()
        assert summarize(pair.text, told.append).text == text
        assert told[-1].parts == 1


def test_an_engine_that_answers_otherwise_here_is_named(built: Built) -> None:
    found = read(artifact_of(built))
    said = json.loads((found.folder / "golden.json").read_text())
    next(one for one in said["answers"] if one["tokens"])["tokens"][0] += 1

    class Stuck:
        def first_tokens(self, prompt: str, count: int) -> list[int]:
            return [0] * count

    wrong = golden.read(json.dumps(said).encode(), found.manifest)
    with pytest.raises(
        ArtifactError, match=r"another version of onnxruntime \(.* built it\), or build"
    ):
        wrong.check(cast("Any", Stuck()), found.manifest)

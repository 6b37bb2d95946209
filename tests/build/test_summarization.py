"""A recipe for summaries, from a tiny encoder to an artifact that answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import edgekit
from edgekit.bench.asked import Asked
from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.cli import main
from edgekit.errors import RecipeError
from edgekit.recipe import recipe
from edgekit.tasks.summarization.proof import bench
from tests.tiny import llama as tiny_llama
from tests.tiny.extractive import RECIPE, make_project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("summaries") / "tiny")


@pytest.fixture(scope="module")
def built_summaries(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        bound = recipe.read(made)
        return build.compress(plan.make(bound, out=tmp_path_factory.mktemp("built")))


def test_the_artifact_says_what_it_is_and_how_good(built_summaries: Built) -> None:
    [one] = built_summaries.artifacts
    model, quality = one.manifest["model"], one.manifest["quality"]
    assert model["summary"] == {"engine": "extractive", "words": 8, "generation": {}}
    assert "chat" not in model
    assert one.manifest["labels"] == []
    assert quality["rows"] == 18
    assert set(quality["by_language"]) == {"en", "fr", "ar"}
    assert {"rouge1", "rouge2", "rougeLsum", "chrf", "lead", "teacher", "kept"} <= set(quality)
    assert one.verdict == quality["verdict"]
    step = one.manifest["steps"][-1]["after"]
    assert {tried["scheme"] for tried in step["tried"]} == {"s8", "s8-smooth", "u8-smooth"}
    assert all(tried["distance"] < 0.01 for tried in step["tried"])


def test_it_summarizes_and_proves_itself(built_summaries: Built) -> None:
    [one] = built_summaries.artifacts
    with edgekit.load(one.path) as model:
        found = model.summarize("Warm the room. It is cold here. The lamp is on in the hall.")
    assert found.sentences
    assert main(["verify", str(one.path)]) == 0


def test_the_report_and_the_card_show_a_lead(built_summaries: Built) -> None:
    page = (built_summaries.out / "report.html").read_text("utf-8")
    assert "against people's summaries" in page.replace("&#39;", "'")
    assert "a lead" in page
    card = (built_summaries.artifacts[0].path / "MODEL_CARD.md").read_text("utf-8")
    assert "ROUGE-Lsum" in card


def test_evaluate_judges_it_again(
    built_summaries: Built, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [one] = built_summaries.artifacts
    data, teacher = str(made.parent / "data" / "test.csv"), str(built_summaries.teacher)
    assert main(["evaluate", str(one.path), "--data", data]) == 0
    assert "rougeLsum" in capsys.readouterr().out
    code = main(["evaluate", str(one.path), "--data", data, "--against", teacher, "--json"])
    found = json.loads(capsys.readouterr().out)
    quality = one.manifest["quality"]
    assert found["rougeLsum"] == pytest.approx(quality["rougeLsum"])
    assert (found["kept"], found["verdict"]) == (quality["kept"], quality["verdict"])
    assert code == {"PASS": 0, "FAIL": 3, "INCONCLUSIVE": 4}[found["verdict"]]


def test_a_bench_compares_it_with_its_teacher(built_summaries: Built, tmp_path: Path) -> None:
    [one] = built_summaries.artifacts
    data = tmp_path / "texts.txt"
    data.write_text("Warm the room. It is cold here. The lamp is on in the hall.\n" * 2, "utf-8")
    asked = Asked(
        artifact=one.path,
        against=built_summaries.teacher,
        data=data,
        baseline=False,
        quick=False,
        threads=1,
        rounds=1,
    )
    found = bench.run(asked, on_progress=lambda fraction: None)
    assert found["torch_fp32"]["peak_rss_bytes"] > 1.5 * found["artifact"]["peak_rss_bytes"]
    assert found["agreement"]["torch_fp32"] == 1


def test_a_file_on_the_command_line(
    built_summaries: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [one] = built_summaries.artifacts
    path = tmp_path / "a.txt"
    path.write_text("Warm the room. It is cold here. The lamp is on in the hall.", "utf-8")
    assert main(["summarize", str(one.path), str(path), "--words", "6", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"text", "parts_read", "parts", "language", "engine"} <= set(found)
    assert main(["summarize", str(one.path), str(path), "--words", "6"]) == 0
    shown = capsys.readouterr()
    assert shown.out.strip() == found["text"]
    assert "1 of 1 parts read" in shown.err
    path.write_text(" ", "utf-8")
    assert main(["summarize", str(one.path), str(path)]) == 1
    assert "no text in it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("metric: rougeLsum", "metric: macro_f1", "must.metric"),
        ("words: 8", "abstain_below: 0.5", "abstain_below"),
        ("keep: 0.5", "kld: 0.1", "must.kld"),
        ("- onnx: {quantize: int8}", "- gguf: {}", "gguf"),
    ],
)
def test_what_a_recipe_cannot_say(made: Path, tmp_path: Path, old: str, new: str, why: str) -> None:
    path = made.with_name("wrong.yaml")
    path.write_text(RECIPE.replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError, match=why):
        plan.make(recipe.read(path), out=tmp_path)


def test_a_decoder_summarizes_as_a_chat_model(made: Path, tmp_path: Path) -> None:
    tiny_llama.make_checkpoint(tmp_path / "decoder", "llama")
    path = made.with_name("decoder.yaml")
    path.write_text(RECIPE.replace("./encoder", str(tmp_path / "decoder")), encoding="utf-8")
    with pytest.raises(RecipeError, match="task: chat"):
        plan.make(recipe.read(path), out=tmp_path)


@pytest.mark.parametrize("task", ["classification", "chat"])
def test_words_are_of_summaries_alone(made: Path, task: str) -> None:
    path = made.with_name("other.yaml")
    text = RECIPE.replace("summarization", task).replace(
        "must: {metric: rougeLsum, keep: 0.5}\n", ""
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match="words"):
        recipe.read(path)

"""Several labels a text, from a recipe to the command line, held against transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import edgekit
from edgekit.artifact import folder as artifacts
from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.cli import main
from edgekit.data.rows import Row, read_rows
from edgekit.recipe import recipe
from tests.tiny import encoder as tiny
from tests.tiny import label_sets

UNTRAINED = label_sets.RECIPE.replace("keep: 0.5", "keep: 0.1")
STEPS = UNTRAINED[UNTRAINED.index("steps:") : UNTRAINED.index("outputs:")]
OUTPUT = "  - onnx: {quantize: int8}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe without steps, whose model has a head by chance."""
    both = f"  - onnx: {{quantize: none}}\n{OUTPUT}"
    text = UNTRAINED.replace(STEPS, "").replace(OUTPUT, both)
    folder = tmp_path_factory.mktemp("sets") / "tiny"
    return label_sets.make_headed_project(folder, recipe=text).parent


@pytest.fixture(scope="module")
def sets(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """What it builds, in fp32 and in int8; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        bound = recipe.read(made / "recipe.yaml")
        return build.compress(plan.make(bound, out=tmp_path_factory.mktemp("out")))


@pytest.fixture(scope="module")
def test_rows(made: Path) -> list[Row]:
    return read_rows(made / "data" / "test.csv")


def test_scores_are_those_of_transformers(sets: Built, test_rows: list[Row]) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(sets.teacher)
    assert model.config.problem_type == "multi_label_classification"
    # It applies a sigmoid only where config.json says that a text may have several labels.
    ask = pipeline(
        "text-classification",
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(sets.teacher),
        device="cpu",
    )
    with edgekit.load(sets.artifacts[0].path) as ours:
        for row in test_rows[::5]:
            [asked] = ask([row.text], top_k=None)
            wanted = {one["label"]: one["score"] for one in asked}
            assert ours.classify(row.text).scores == pytest.approx(wanted, abs=1e-3)


@pytest.mark.slow
def test_what_is_trained_and_distilled_learns_sets(tmp_path: Path) -> None:
    steps = (
        "  - finetune: {epochs: 16, learning_rate: 1e-3, freeze_embeddings: false, patience: 16}\n"
        "  - distill: {layers: 1, epochs: 16, learning_rate: 1e-3, patience: 16}\n"
        "  - prune: {ffn: 0.25}\n"
    )
    text = label_sets.RECIPE.replace(STEPS, f"steps:\n{steps}")
    path = label_sets.make_project(tmp_path / "tiny", recipe=text)
    built = build.compress(plan.make(recipe.read(path)))
    config = json.loads((built.teacher / "config.json").read_text())
    assert config["problem_type"] == "multi_label_classification"
    judged = built.artifacts[0].manifest["quality"]
    assert judged["teacher"]["macro_f1"] > 0.8
    assert judged["kept"] > 0.8
    with edgekit.load(built.artifacts[0].path) as model:
        assert set(model.classify("turn up the heating, play a song").labels) >= {"heat", "music"}
        assert model.classify("good morning!").labels == ()


def test_metrics_are_scikit_learns(sets: Built, test_rows: list[Row]) -> None:
    built = sets.artifacts[1]
    labels = built.manifest["labels"]
    with edgekit.load(built.path) as model:
        answers = list(model.classify([row.text for row in test_rows]))
    wanted = np.array([[label in (row.labels or ()) for label in labels] for row in test_rows])
    found = np.array([[label in answer.labels for label in labels] for answer in answers])
    judged = built.manifest["quality"]["artifact"]
    assert judged["micro_f1"] == pytest.approx(metrics.f1_score(wanted, found, average="micro"))
    assert judged["macro_f1"] == pytest.approx(metrics.f1_score(wanted, found, average="macro"))
    assert judged["accuracy"] == pytest.approx(metrics.accuracy_score(wanted, found))


def test_thresholds_are_recorded_with_the_rows_that_they_come_from(sets: Built, made: Path) -> None:
    rows = read_rows(made / "data" / "validation.csv")
    for built in sets.artifacts:
        spec = artifacts.read(built.path).manifest.model.thresholds
        assert spec is not None
        assert (len(spec.labels), len(spec.teacher), spec.rows) == (3, 3, len(rows))
    fp32 = artifacts.read(sets.artifacts[0].path).manifest.model.thresholds
    assert fp32 is not None
    assert fp32.labels == pytest.approx(fp32.teacher, abs=1e-3)


def test_the_command_line_gives_sets(
    sets: Built, test_rows: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sets.artifacts[0].path
    texts = [row.text for row in test_rows]
    with edgekit.load(folder) as model:
        counts = [len(answer.labels) for answer in model.classify(texts)]
    assert max(counts) >= 2
    assert main(["classify", str(folder), texts[counts.index(max(counts))], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"label", "score", "scores", "abstained", "parts", "labels", "familiar"} == set(told)
    assert len(told["labels"]) == max(counts)
    assert told["label"] == told["labels"][0] == max(told["labels"], key=told["scores"].get)


def test_evaluate_judges_as_the_build_did(
    sets: Built, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = sets.artifacts[1]
    arguments = [str(built.path), "--data", str(made / "data" / "test.csv"), "--json"]
    assert main(["evaluate", *arguments, "--against", str(sets.teacher)]) == 0
    found = json.loads(capsys.readouterr().out)
    judged = built.manifest["quality"]
    for key in ("artifact", "teacher", "agreement", "kept", "verdict"):
        assert found[key] == pytest.approx(judged[key]) if key == "kept" else judged[key]
    assert found["artifact"]["micro_f1"] == pytest.approx(judged["artifact"]["micro_f1"])
    assert main(["evaluate", *arguments[:-1]]) == 0
    assert "micro-F1" in capsys.readouterr().out


def test_what_a_build_leaves_says_that_a_text_may_have_several(
    sets: Built, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = sets.artifacts[1].path
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "a text may have several of them or none" in card
    assert "micro-F1" in card
    assert main(["inspect", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "a text may have several of them or none" in shown
    assert "micro-F1" in (sets.out / "report.html").read_text(encoding="utf-8")


def test_rows_of_the_other_kind_are_refused(made: Path, sets: Built, tmp_path: Path) -> None:
    from edgekit.errors import DataError

    text = label_sets.RECIPE.replace("./encoder", str(sets.teacher))
    tiny.write_rows(tmp_path / "data")
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="column 'label', and the model gives a text several"):
        plan.make(recipe.read(tmp_path / "recipe.yaml"))

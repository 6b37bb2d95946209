from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgekit
from edgekit import tables
from edgekit.artifact import folder as artifact
from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.data import declaration
from edgekit.errors import ArtifactError, ExportError, OutOfDisk, OutOfMemoryBudget
from edgekit.export.onnx import candidates, classifier
from edgekit.job.events import Event
from edgekit.recipe import recipe
from edgekit.system import machine, paths
from edgekit.system.digest import sha256_folder
from edgekit.tables import Family
from edgekit.tasks import quality
from edgekit.tasks.classification.proof import judge as classification
from edgekit.training import predict
from tests.tiny import encoder as tiny


def test_the_artifact_answers_like_its_teacher(built: Built) -> None:
    texts = tiny.texts()[::7]
    wanted = predict.logits(built.teacher, texts, max_tokens=64).argmax(axis=1)
    with edgekit.load(built.artifacts[0].path) as model:
        found = [answer.label for answer in model.classify(texts)]
    same = np.mean([tiny.LABELS[w] == f for w, f in zip(wanted, found, strict=True)])
    assert same >= 0.95


def test_the_manifest_says_what_was_done(built: Built) -> None:
    manifest = built.artifacts[0].manifest
    assert manifest["labels"] == list(tiny.LABELS)
    assert [step["step"] for step in manifest["steps"]] == ["finetune", "onnx"]
    tried = manifest["steps"][1]["after"]["tried"]
    assert [one["scheme"] for one in tried] == ["s8", "s8-smooth", "u8-smooth"]
    assert manifest["steps"][1]["after"]["scheme"] == candidates.fastest_near(tried)["scheme"]
    assert manifest["licence"] == "cc0-1.0"
    assert manifest["quality"]["verdict"] == "PASS"
    assert set(manifest["quality"]["artifact"]["by_language"]) == set(tiny.LANGUAGES)
    assert set(manifest["lock"]) == {"packages", "data", "teacher", "seed"}


def test_a_linear_model_of_the_same_rows_stands_beside_the_artifact(built: Built) -> None:
    one = built.artifacts[0]
    judged = one.manifest["quality"]
    linear = judged["linear"]
    assert linear["rows"] == 162
    assert set(linear["by_language"]) == set(tiny.LANGUAGES)
    # The tiny texts are easier for pieces of words than for an encoder that knows no language.
    assert linear["macro_f1"] > 0.9
    assert linear["better"] is False
    told = quality.read("classification", judged)
    assert told is not None
    assert told.caveat
    measured = json.loads((built.out / "measured.json").read_text())
    assert measured["artifacts"][0]["linear"]["text_ms"] > 0
    assert "text_ms" not in json.dumps(one.manifest)
    heading, _, rest = (built.out / "report.html").read_text().partition("</h2>")
    assert told.caveat in heading
    assert "What the task needs: a linear model" in rest
    assert "Beside a linear model" in rest
    card = (one.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert told.caveat in card.split("## How good it is")[1].splitlines()[2]


def test_without_training_rows_there_is_no_linear_model_and_it_is_said(
    project: Path, built: Built, tmp_path: Path
) -> None:
    path = project / "recipe.yaml"
    text = path.read_text().replace("./encoder", str(built.teacher))
    text = text.replace("  train: data/train.csv\n", "").split("steps:")[0]
    path.write_text(text + "outputs: [onnx: {quantize: none}]\n")
    made, events = make_again(project, tmp_path)
    assert "linear" not in {event.step for event in events}
    assert made.artifacts[0].manifest["quality"]["linear"] == {"rows": 0}
    assert "no training rows" in (made.out / "report.html").read_text()


def test_nothing_of_this_machine_or_this_run_is_inside(built: Built, made_project: Path) -> None:
    for path in built.artifacts[0].path.iterdir():
        data = path.read_bytes()
        for secret in (str(made_project), str(paths.cache_dir()), str(Path.home())):
            assert secret.encode() not in data, path


def test_measured_holds_estimate_and_truth_of_every_step(built: Built) -> None:
    measured = json.loads((built.out / "measured.json").read_text())
    assert [one["step"] for one in measured["steps"]] == [
        "checkpoint",
        "finetune",
        "teacher",
        "onnx",
    ]
    for one in measured["steps"]:
        assert one["took"]["peak_bytes"] > 0
        assert one["estimated"]["seconds"] >= 0
    assert measured["artifacts"][0]["latency"]["p50_ms"] > 0
    assert "tiny" in (built.out / "report.html").read_text()


def make_again(project: Path, out: Path, **settings: object) -> tuple[Built, list[Event]]:
    events: list[Event] = []
    bound = recipe.read(project / "recipe.yaml")
    return build.compress(plan.make(bound, out=out, **settings), on_event=events.append), events  # type: ignore[arg-type]


def test_a_second_run_finds_everything_done(
    built: Built, made_project: Path, tmp_path: Path
) -> None:
    again, events = make_again(made_project, tmp_path)
    assert {event.state for event in events} == {"reused"}
    assert again.artifacts[0].manifest == built.artifacts[0].manifest


def test_a_fresh_store_gives_the_same_bytes(
    built: Built, made_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    shutil.copytree(made_project, tmp_path / "elsewhere")
    again, events = make_again(tmp_path / "elsewhere", tmp_path / "out")
    assert "reused" not in {event.state for event in events}
    assert again.artifacts[0].manifest["digest"] == built.artifacts[0].manifest["digest"]


def test_a_trial_runs_the_whole_chain_beside_the_real_output(project: Path) -> None:
    trial, _ = make_again(project, project / "out", smoke=True)
    assert trial.smoke
    assert trial.verdict is None
    assert trial.out == project / "out" / "smoke"
    assert (
        artifact.read(trial.artifacts[0].path).manifest.quality["rows"] <= classification.TRIAL_ROWS
    )
    assert not (project / "out" / "tiny-onnx").exists()


def test_an_earlier_artifact_is_replaced_and_anything_else_is_not(
    project: Path, built: Built
) -> None:
    place = project / "out" / "tiny-onnx"
    shutil.copytree(built.artifacts[0].path, place)
    make_again(project, project / "out")
    (place / "manifest.json").unlink()
    (place / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="move it away or choose another --out"):
        make_again(project, project / "out")
    assert (place / "notes.txt").read_text() == "mine"


def test_every_output_has_its_folder_and_the_schemes_their_sizes(
    project: Path, tmp_path: Path
) -> None:
    path = project / "recipe.yaml"
    outputs = "  - onnx: {quantize: int8}\n  - onnx: {quantize: none}\n  - onnx: {quantize: int4}\n"
    path.write_text(path.read_text().replace("  - onnx: {quantize: int8}\n", outputs))
    made, _ = make_again(project, tmp_path)
    sizes = {
        one.quantization: one.path.joinpath("model.onnx").stat().st_size for one in made.artifacts
    }
    assert [one.path.name for one in made.artifacts] == [
        "tiny-onnx-int8",
        "tiny-onnx-none",
        "tiny-onnx-int4",
    ]
    assert sizes["int4"] < sizes["int8"] < sizes["none"]


def test_targets_that_are_missed_are_said_and_fail(project: Path, tmp_path: Path) -> None:
    bound = recipe.read(
        project / "recipe.yaml",
        changes=["target.size=10kB", "target.ram=1MB", "target.latency_p95=1us"],
    )
    made = build.compress(plan.make(bound, out=tmp_path))
    assert made.verdict == "FAIL"
    assert [sentence.split(":")[0] for sentence in made.artifacts[0].missed] == [
        "size",
        "ram",
        "latency_p95",
    ]


def test_too_little_disk_or_memory_is_told_before_any_work(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan.make(recipe.read(project / "recipe.yaml"), out=tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(machine, "free_disk_bytes", lambda path: 1000)
        with pytest.raises(OutOfDisk, match="make room"):
            build.compress(made)
    with monkeypatch.context() as patch:
        patch.setattr(machine, "available_memory_bytes", lambda: 1000)
        with pytest.raises(OutOfMemoryBudget, match="close other programs"):
            build.compress(made)
        assert made.as_json()["fits"] is False
    assert not (tmp_path / "out").exists()


def test_an_export_that_answers_otherwise_is_refused(
    project: Path, built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "MOST_LOGIT_ERROR", 1e-12)
    path = project / "recipe.yaml"
    trained = path.read_text().replace("./encoder", str(built.teacher))
    path.write_text(trained.split("steps:")[0] + "outputs: [onnx: {quantize: none}]\n")
    with pytest.raises(ExportError, match="the export's logits differ from the checkpoint's"):
        make_again(project, tmp_path)


def test_an_interrupted_command_goes_on_where_it_was(project: Path, tmp_path: Path) -> None:
    """Ctrl-C during training, through the command line: 130, and the next run ends well."""
    environment = {**os.environ, "EDGEKIT_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "edgekit", "compress", str(project / "recipe.yaml"), "--json"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if '"finetune"' in line and '"progress"' in line:
                child.send_signal(signal.SIGINT)
                break
        rest = child.stderr.read()
    assert child.returncode == 130, rest
    assert "goes on from here" in rest
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert ("checkpoint", "reused") in {(event["step"], event["state"]) for event in events}
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["verdict"] == "PASS"
    assert Path(result["artifacts"][0]["path"]).is_dir()


def test_a_build_from_an_earlier_teacher_leaves_it_where_it_is(project: Path) -> None:
    tiny.make_encoder(project / "out" / "teacher", labels=tiny.LABELS)
    before = sha256_folder(project / "out" / "teacher")
    changes = ["model=./out/teacher", "steps=[]"]
    built = build.compress(plan.make(recipe.read(project / "recipe.yaml", changes=changes)))
    assert built.teacher == project / "out" / "teacher"
    assert sha256_folder(built.teacher) == before


def test_the_licence_outlives_a_second_recipe(built: Built, project: Path) -> None:
    """A recipe that starts from another's teacher knows whose weights these are."""
    changes = [f"model={built.teacher}", "steps=[]", "name=second"]
    bound = recipe.read(project / "recipe.yaml", changes=changes)
    manifest = build.compress(plan.make(bound)).artifacts[0].manifest
    assert manifest["licence"] == "cc0-1.0"
    assert manifest["parents"] == [{"name": "encoder", "licence": "cc0-1.0"}]


def test_no_step_sees_the_rows_that_judge(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tables.STEPS, "spy", {Family.ENCODER: "tests.build.spy_step"})
    tiny.make_encoder(project / "labelled", labels=tiny.LABELS)
    changes = ["model=./labelled", "steps=[{spy: {}}]"]
    bound = recipe.read(project / "recipe.yaml", changes=changes)
    [spied, _] = build.compress(plan.make(bound)).artifacts[0].manifest["steps"]
    assert spied["after"]["train"] > 0
    assert spied["after"]["validation"] > 0
    assert spied["after"]["test"] == 0


def test_an_artifact_says_only_what_is_worth_saying_of_texts_of_another_kind(built: Built) -> None:
    """Every third tiny test row ends in a word that no other row has, which looks foreign, too."""
    one = built.artifacts[0]
    foreign = one.manifest["quality"]["foreign"]
    assert set(foreign["by_language"]) == set(tiny.LANGUAGES)
    assert foreign["caught"] > 0.9
    assert not foreign["said"]
    assert "familiar" not in one.manifest["model"]
    card = (one.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "does not say whether a text looks like nothing it was taught" in card
    with edgekit.load(one.path) as model:
        assert model.classify(declaration.paragraphs("fr")[3]).familiar is None

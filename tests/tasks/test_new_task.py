"""A task, an output format and a verb are added by a folder and lines in tables.py, and by nothing
else: from recipe to artifact to answer. CONTRIBUTING.md lists what is checked here; a step is added
in tests/build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import edgekit
from edgekit import tables
from edgekit.cli import DONE, FAILED, main
from edgekit.recipe import recipe
from edgekit.recipe.schema import schema
from tests.serving.running import running
from tests.tiny import encoder as tiny


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tables.TASKS, "echo", "tests.tasks.echo")
    monkeypatch.setitem(tables.FORMATS, "plain", "tests.tasks.echo.plain")
    monkeypatch.setitem(
        tables.COMMANDS, "echo", ("tests.tasks.echo.command", "a text, heard again")
    )


def made(project: Path, output: str) -> Path:
    """The artifact of a recipe with all four steps that an encoder can take."""
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8").replace("task: classification", "task: echo")
    path.write_text(text, encoding="utf-8")
    changes = [
        "must={metric: same, keep: 0.2}",
        "steps=[{finetune: {epochs: 1}}, {trim_vocab: {coverage: 1.0}}, {distill: {epochs: 1, "
        "augment: 0}}, {prune: {ffn: 0.25}}]",
        f"outputs=[{{{output}: {{}}}}]",
    ]
    arguments = [word for change in changes for word in ("--set", change)]
    out = project / "out"
    code = main(["compress", str(path), "--out", str(out), *arguments])
    [artifact] = [one for one in out.iterdir() if (one / "manifest.json").is_file()]
    verdict = edgekit.inspect(artifact).artifact.manifest.quality["verdict"]
    assert (code, verdict) in {(DONE, "PASS"), (FAILED, "FAIL")}
    return artifact


@pytest.mark.parametrize("output", ["onnx", "plain"])
def test_it_goes_from_recipe_to_artifact_to_answer(
    project: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    artifact = made(project, output)
    assert artifact.name == f"tiny-{output}"
    capsys.readouterr()
    assert main(["echo", str(artifact), "lamp on"]) == DONE
    assert capsys.readouterr().out.strip() in {f"lamp on [{label}]" for label in tiny.LABELS}
    with edgekit.load(artifact) as model, pytest.raises(edgekit.UnsupportedTask, match="cannot cl"):
        model.classify("lamp on")

    table = edgekit.Handle(artifact)({"text": ["lamp on", None]})
    assert table["heard"][0] in {f"lamp on [{label}]" for label in tiny.LABELS}
    assert table["error"] == [None, "This row has no text in 'text'."]

    assert main(["inspect", str(artifact)]) == DONE
    shown = capsys.readouterr().out
    assert "echo in" in shown
    assert "of echoes are the teacher's" in shown
    data = str(project / "data/test.csv")
    assert main(["evaluate", str(artifact), "--data", data, "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["rows"] > 10
    assert main(["verify", str(artifact)]) == DONE
    with running(artifact) as server:
        heard = server.ask("/v1/echo", {"input": "lamp on"}).json["echo"]
        assert heard in {f"lamp on [{label}]" for label in tiny.LABELS}
    assert "large model's" in (project / "out/report.html").read_text(encoding="utf-8")


def test_a_recipe_of_it_is_held_to_what_it_knows(project: Path) -> None:
    path = project / "recipe.yaml"
    for change, sentence in (
        ("must={metric: macro_f1}", "'must.metric' is macro_f1; echo has same"),
        ("must={kld: 0.1}", "'must.kld' is for the task chat; echo has keep, metric"),
        ("abstain_below=0.5", "'abstain_below' belongs to classification"),
    ):
        with pytest.raises(edgekit.RecipeError, match=sentence):
            recipe.read(path, changes=["task=echo", "must={}", change])
    assert "outputs.plain" in schema()["$defs"]

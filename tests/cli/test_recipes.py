from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit import samples
from edgekit.cli import COMMANDS, main


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert COMMANDS[command][1].split(",")[0][:20] in capsys.readouterr().out


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["nothing"], ["plan"], ["plan", "x", "--nothing"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


def test_plan_prints_what_it_will_cost(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "plan", project / "recipe.yaml")
    assert code == 0
    for word in ("checkpoint", "finetune", "teacher", "onnx", "It fits"):
        assert word in out
    code, out, _ = run(capsys, "plan", project / "recipe.yaml", "--json", "--set", "seed=3")
    plan = json.loads(out)
    assert plan["recipe"]["seed"] == 3
    assert set(plan["steps"][0]) == {"step", "seconds", "peak_bytes", "disk_bytes"}


def test_an_error_is_one_sentence_on_stderr_and_exit_code_1(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("plan", "compress"):
        code, out, err = run(capsys, command, project / "recipe.yaml", "--set", "seet=3")
        assert (code, out) == (1, "")
        assert err == "edgekit: --set seet=3: the recipe has no key 'seet'. Did you mean 'seed'?\n"


def test_recipes_are_listed_and_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "recipes", "--json")
    name = json.loads(out)[0]["name"]
    assert name in run(capsys, "recipes")[1]
    assert run(capsys, "new", name, tmp_path / "own")[0] == 0
    assert (tmp_path / "own" / "recipe.yaml").is_file()
    code, _, err = run(capsys, "new", name, tmp_path / "own")
    assert code == 1
    assert "exists; name another folder" in err
    assert "There is no shipped recipe" in run(capsys, "new", "nothing", tmp_path)[2]


def test_the_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(run(capsys, "schema")[1])
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "outputs.onnx" in schema["$defs"]


def test_an_unknown_sample_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "sample", "home-intent", tmp_path / "x")
    assert code == 1
    assert "Did you mean 'home-intents'?" in err


def test_a_sample_tells_its_progress_as_json_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stands for a sample's module: the real ones fetch packages.
    monkeypatch.setitem(samples.SAMPLES, "tiny", f"{__name__}:make_tiny")
    code, out, err = run(capsys, "sample", "tiny", tmp_path / "x", "--json")
    assert code == 0
    recipe = str(tmp_path / "x" / "recipe.yaml")
    assert json.loads(out) == {"sample": "tiny", "path": str(tmp_path / "x"), "recipe": recipe}
    (event,) = map(json.loads, err.splitlines())
    assert event == {
        "event": "step", "step": "tiny", "state": "progress", "fraction": 0.5, "eta_s": None,
        "note": "writing",
    }  # fmt: skip


def make_tiny(target: Path, *, on_progress: samples.Progress) -> Path:
    on_progress("writing", 0.5)
    return target

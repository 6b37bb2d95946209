"""`edgekit inspect` and `edgekit verify`: what an artifact is, and whether it is whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgekit.cli import DONE, ERROR, main
from edgekit.system import machine
from tests.tiny.artifact import TEXTS, make_artifact

QUALITY: dict[str, Any] = {
    "rows": 1200, "kept": 0.9953, "verdict": "PASS",
    "artifact": {"macro_f1": 0.9123, "by_language": {"fr": {"rows": 600, "macro_f1": 0.9}}},
    "teacher": {"macro_f1": 0.9166, "by_language": {"fr": {"rows": 600, "macro_f1": 0.95}}},
}  # fmt: skip
STEPS = [
    {"step": "finetune", "settings": {}, "before": {"macro_f1": 0.1}, "after": {"macro_f1": 0.91}},
    {"step": "trim\x1b[2J", "before": {"pieces": 250037, "tied": True}, "after": {"pieces": 4886}},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "tiny-intents-onnx"
    return make_artifact(folder, quality=QUALITY, steps=STEPS)


@pytest.fixture
def artifact(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / made.name))


def test_people_are_told_what_it_is(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(artifact)]) == DONE
    out = capsys.readouterr().out
    for words in (
        "classification in English, French, Arabic, Chinese", "heat, light, music", "onnx int8",
        "needs 120.0 MB", "it fits", "CC0-1.0", "On 1,200 test rows: macro-F1 0.912",
        "99.5% of its macro_f1 is left", "Verdict: PASS", "finetune (macro_f1 0.1 → 0.91)",
        "(pieces 250,037 → 4,886)", "95.0 %",
    ):  # fmt: skip
        assert words in out
    assert "\x1b" not in out


def test_people_are_told_when_it_does_not_fit(
    artifact: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "available_memory_bytes", lambda: 1_000_000)
    assert main(["inspect", str(artifact)]) == DONE
    assert "does NOT fit" in capsys.readouterr().out


def test_scripts_get_the_manifest(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(artifact), "--json"]) == DONE
    found = json.loads(capsys.readouterr().out)
    manifest = json.loads((artifact / "manifest.json").read_bytes())
    assert manifest.items() <= found.items()
    assert found["fits"] is True
    assert found["available_ram_bytes"] > 0


def test_an_unjudged_artifact_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(make_artifact(tmp_path / "plain"))]) == DONE
    assert "not judged" in capsys.readouterr().out


def test_verify_says_a_line_a_file(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(artifact)]) == DONE
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[1] for line in lines[:-1]]
    assert sorted(names) == sorted(path.name for path in artifact.iterdir())
    assert lines[-1] == f"ok  {len(TEXTS)} golden answers"


def test_verify_names_the_first_wrong_file(
    artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray((artifact / "model.onnx").read_bytes())
    data[1000] ^= 4
    (artifact / "model.onnx").write_bytes(data)
    assert main(["verify", str(artifact)]) == ERROR
    captured = capsys.readouterr()
    assert "golden.json" in captured.out
    assert "tokenizer.json" not in captured.out
    assert f"{artifact / 'model.onnx'}: these are not the bytes" in captured.err


def test_verify_runs_the_golden_answers_each_time(
    artifact: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["verify", str(artifact)]) == DONE
    assert main(["classify", str(artifact), "lamp"]) == DONE
    monkeypatch.setattr("edgekit.tasks.classification.golden._near", lambda *_: False)
    assert main(["classify", str(artifact), "lamp"]) == DONE  # it was right here once
    assert main(["verify", str(artifact)]) == ERROR
    assert "golden input 1" in capsys.readouterr().err

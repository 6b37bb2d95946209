"""`edgekit bench` for people and for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_artifact import TEXTS, make_artifact

from edgekit.cli import DONE, ERROR, USAGE, main


def test_json_is_one_object_and_uses_the_golden_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = make_artifact(tmp_path / "tiny")
    assert main(["bench", str(artifact), "--rounds", "1", "--json"]) == DONE
    result = json.loads(capsys.readouterr().out)
    assert result["lengths"]["texts"] == len(TEXTS)
    assert result["threads"] == 2


def test_people_get_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = make_artifact(tmp_path / "tiny")
    data = tmp_path / "texts.txt"
    data.write_text("lamp\nplay a song\n", encoding="utf-8")
    arguments = ["bench", str(artifact), "--rounds", "1", "--data", str(data), "--threads", "1"]
    assert main(arguments) == DONE
    out = capsys.readouterr().out
    assert "2 texts" in out
    assert "with 1 threads" in out.replace("\n", " ")


def test_wrong_numbers_and_folders_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", str(tmp_path), "--threads", "0"])
    assert caught.value.code == USAGE
    assert main(["bench", str(tmp_path / "nothing")]) == ERROR
    assert "no such folder" in capsys.readouterr().err

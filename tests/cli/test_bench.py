"""`edgekit bench` for people and for scripts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edgekit.build.outcome import Built
from edgekit.cli import DONE, ERROR, USAGE, main
from edgekit.store.store import Store
from edgekit.system import paths
from edgekit.tasks.classification.proof import bench
from tests.bench.test_measure import stand_in
from tests.tiny.artifact import TEXTS, make_artifact


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


def test_the_baseline_is_timed_and_judged(
    built: Built, made_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(paths.store_dir()) as store:
        stand_in(store, built.teacher)
    data = made_project / "data/test.csv"
    arguments = [built.artifacts[0].path, "--against", built.teacher, "--baseline", "--data", data]
    assert main(["bench", *map(str, arguments), "--rounds", "1", "--threads", "1"]) == DONE
    out, said = capsys.readouterr()
    assert "into an environment of their own" in " ".join(said.split())
    assert "Than optimum's int8 of the same teacher it is" in out
    quality = out[out.index("labelled rows") :]
    assert [name for name in ("artifact", "optimum's int8", "teacher") if name in quality] == [
        "artifact", "optimum's int8", "teacher",
    ]  # fmt: skip


def test_a_quick_bench_shows_the_teacher_beside_the_artifact_in_every_language(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = built.artifacts[0]
    arguments = ["bench", str(artifact.path), "--quick", "--threads", "1", "--against"]
    assert main([*arguments, str(built.teacher)]) == DONE
    out = capsys.readouterr().out
    for word in ("weights", "peak memory", "times smaller", "times as fast", "macro-F1"):
        assert word in out
    quality = artifact.manifest["quality"]
    for name, code in (("Arabic", "ar"), ("English", "en"), ("French", "fr")):
        line = next(line for line in out.splitlines() if name in line)
        assert f"{100 * quality['teacher']['by_language'][code]['macro_f1']:.1f} %" in line
        assert f"{100 * quality['kept_by_language'][code]:.1f} %" in line
    assert f"{quality['verdict']}: {quality['why']}" in out
    # What was proved against one teacher says nothing beside another.
    other = Path(shutil.copytree(built.teacher, tmp_path / "other"))
    (other / "README.md").write_text("another\n", encoding="utf-8")
    assert main([*arguments, str(other)]) == DONE
    out = capsys.readouterr().out
    assert "macro-F1" not in out
    assert "Its quality was not judged against" in out


def test_quality_is_judged_where_there_are_labels(made_project: Path, tmp_path: Path) -> None:
    assert len(bench._rows(made_project / "data/test.csv")) > 10
    for name, text in (("texts.txt", "lamp on\n"), ("texts.csv", "text\nlamp on\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert bench._rows(tmp_path / name) == []
    assert bench._rows(None) == []


def test_a_baseline_without_a_teacher_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = make_artifact(tmp_path / "tiny")
    assert main(["bench", str(artifact), "--baseline"]) == ERROR
    assert "--against" in capsys.readouterr().err
    arguments = ["bench", str(artifact), "--baseline", "--quick", "--against", str(tmp_path)]
    assert main(arguments) == ERROR
    assert "leave out one of --baseline and --quick" in capsys.readouterr().err

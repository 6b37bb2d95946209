"""`edgekit evaluate` on a real tiny artifact and its teacher."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.build.outcome import Built
from edgekit.cli import DONE, ERROR, FAILED, INCONCLUSIVE, main
from tests.tiny.artifact import make_artifact


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["evaluate", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def as_json(output: str) -> dict[str, Any]:
    return dict(json.loads(output.splitlines()[-1]))


def test_same_numbers_as_the_build_found(
    built: Built, made_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = built.artifacts[0]
    code, out, _ = evaluate(
        capsys, artifact.path, "--data", made_project / "data/test.csv",
        "--against", built.teacher, "--json",
    )  # fmt: skip
    result = as_json(out)
    quality = artifact.manifest["quality"]
    assert result["verdict"] == quality["verdict"]
    assert code == {"PASS": DONE, "FAIL": FAILED, "INCONCLUSIVE": INCONCLUSIVE}[result["verdict"]]
    assert result["artifact"] == quality["artifact"]
    assert result["kept"] == pytest.approx(quality["kept"])
    assert len(result["flip_rows"]) == round((1 - result["agreement"]) * result["rows"])


def test_alone_it_prints_metrics_and_no_verdict(
    built: Built, made_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (built.artifacts[0].path, "--data", made_project / "data/test.csv")
    code, out, _ = evaluate(capsys, *arguments)
    assert code == DONE
    for said in ("ar Arabic", "fr French", "all of these", "by label", "music", "ECE"):
        assert said in out
    assert "PASS" not in out
    assert "verdict" not in as_json(evaluate(capsys, *arguments, "--json")[1])


def test_people_are_told_the_verdict_in_a_sentence(
    built: Built, made_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = evaluate(
        capsys, built.artifacts[0].path, "--data", made_project / "data/test.csv",
        "--against", built.teacher,
    )  # fmt: skip
    last = out.splitlines()[-1]
    assert last.startswith(("PASS: It ", "FAIL: It ", "INCONCLUSIVE: "))
    assert "of all answers are the same" in out


def write(path: Path, rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return path


def test_failed_and_inconclusive_have_their_exit_codes(
    built: Built, made_project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Its weights are by chance.
    bad = tmp_path / "bad"
    recipe = {"must": {"keep": 0.9}}
    make_artifact(bad, labels=["heat", "light", "music"], recipe=recipe)
    data = made_project / "data/test.csv"
    code, out, _ = evaluate(capsys, bad, "--data", data, "--against", built.teacher, "--json")
    assert (code, as_json(out)["verdict"]) == (FAILED, "FAIL")
    # No language has rows enough to be the worst.
    unsure = make_artifact(tmp_path / "unsure", recipe={"must": {"worst_language": 0.9}})
    code, out, _ = evaluate(capsys, unsure, "--data", data, "--against", built.teacher, "--json")
    assert (code, as_json(out)["verdict"]) == (INCONCLUSIVE, "INCONCLUSIVE")


def test_unknown_label_is_named_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = make_artifact(tmp_path / "tiny")
    data = write(tmp_path / "rows.csv", [("text", "label"), ("lamp", "lihgt")])
    code, out, err = evaluate(capsys, artifact, "--data", data)
    assert (code, out) == (ERROR, "")
    assert "'lihgt' (1 rows). Did you mean 'light'?" in err


def test_teacher_with_other_labels_is_refused(
    built: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = make_artifact(tmp_path / "tiny", labels=["cold", "light", "music"])
    data = write(tmp_path / "rows.csv", [("text", "label"), ("lamp", "light")])
    code, _, err = evaluate(capsys, artifact, "--data", data, "--against", built.teacher)
    assert code == ERROR
    assert "name the teacher that it was made from" in err


def test_teacher_with_labels_in_another_order_is_read_right(
    built: Built, made_project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = make_artifact(tmp_path / "tiny", labels=["music", "heat", "light"])
    data = made_project / "data/test.csv"
    results = [
        as_json(evaluate(capsys, one, "--data", data, "--against", built.teacher, "--json")[1])
        for one in (artifact, built.artifacts[0].path)
    ]
    assert results[0]["teacher"]["accuracy"] == results[1]["teacher"]["accuracy"]


def test_slices_of_the_recipe_are_judged_where_the_data_has_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = {"data": {"slices": ["region", "gender"]}}
    artifact = make_artifact(tmp_path / "tiny", recipe=recipe, languages=["en"])
    data = write(
        tmp_path / "rows.csv",
        [("text", "label", "region"), ("lamp", "light", "north"), ("song", "music", "\x1b[2J")],
    )
    _, out, err = evaluate(capsys, artifact, "--data", data)
    assert "no column 'gender'" in " ".join(err.split())
    assert "Quality by region" in out
    assert "north" in out
    assert "\x1b" not in out
    assert "en English" in out

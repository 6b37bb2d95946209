"""`edgekit classify`: what scripts read, and what people are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli import DONE, ERROR, USAGE, main
from edgekit.data import declaration
from tests.tasks.classification.test_familiar import spoken
from tests.tiny.artifact import LABELS, TEXTS, make_artifact


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_artifact(tmp_path_factory.mktemp("made") / "tiny-intents-onnx"))


def test_one_text_gives_an_object_several_a_list(
    artifact: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", artifact, "lamp", "--json"]) == DONE
    one = json.loads(capsys.readouterr().out)
    assert list(one) == ["label", "score", "scores", "abstained", "parts", "labels", "familiar"]
    assert set(one["scores"]) == set(LABELS)
    assert main(["classify", artifact, *TEXTS, "--json", "--threads", "1"]) == DONE
    several = json.loads(capsys.readouterr().out)
    assert several[TEXTS.index("lamp")] == one


def test_options_may_stand_anywhere(artifact: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["--json", artifact, "lamp"],
        [artifact, "--json", "lamp"],
        [artifact, "--threads", "1", "lamp", "--json"],
    ):
        assert main(["classify", *words]) == DONE
        assert json.loads(capsys.readouterr().out)["label"] == "heat"
    assert main(["classify", artifact, "--json", "--", "--lamp"]) == DONE
    assert "label" in json.loads(capsys.readouterr().out)


def test_people_get_a_line_a_text(artifact: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", artifact, "lamp"]) == DONE
    assert capsys.readouterr().out.split() == ["heat", "73.2%"]
    assert main(["classify", artifact, "lamp", "song " * 90, "--abstain-below", "0.9"]) == DONE
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("heat")
    assert "(not sure)" in first
    assert "parts)" in second
    assert second.endswith("…")


def test_a_text_cannot_command_the_terminal(
    artifact: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "lamp \x1b]52;c;aGk=\x07 \x9b2J \u202e gnp \udcff\nsong"
    assert main(["classify", artifact, hostile, "lamp"]) == DONE
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2
    assert not set("\x1b\x07\x9b\u202e\udcff") & set(out)


def test_a_file_is_labelled_and_said(
    artifact: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text("sentence\nlamp\n\nsong\n", encoding="utf-8")
    command = ["classify", artifact, "--file", str(tmp_path / "in.csv"), "--column", "sentence",
               "--out", str(tmp_path / "out.csv"), "--abstain-below", "0.5"]  # fmt: skip
    assert main(command) == DONE
    said = capsys.readouterr().out
    assert said.endswith("out.csv: 3 rows; 1 without text, so without a label; 1 not sure\n")
    rows = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "sentence,label,score,abstained"
    assert main(command) == ERROR
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--json"]) == DONE
    result = json.loads(capsys.readouterr().out)
    assert (result["rows"], result["empty_rows"]) == (3, 1)


@pytest.mark.parametrize(
    "arguments",
    [[], ["lamp", "--file", "in.csv", "--out", "out.csv"], ["--file", "in.csv"],
     ["lamp", "--out", "out.csv"]],
)  # fmt: skip
def test_wrong_usage_is_told_apart(
    artifact: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", artifact, *arguments]) == USAGE
    assert capsys.readouterr().err.startswith("edgekit classify: ")


def test_labels_are_for_chat_artifacts(artifact: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["classify", artifact, "lamp", "--labels", "a,b"]) == ERROR
    assert "classifier with labels of its own (heat, light, music)" in capsys.readouterr().err


def test_errors_are_a_sentence(
    artifact: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ["classify", str(tmp_path / "gone"), "lamp"],
        ["classify", artifact, " "],
        ["classify", artifact, "lamp", "--abstain-below", "7"],
        ["classify", artifact, "--file", str(tmp_path / "gone.csv"), "--out", "out.csv"],
    ):
        assert main(command) == ERROR
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("edgekit: ")
        assert "Traceback" not in captured.err


def test_an_office_file_is_read_and_what_was_guessed_is_said(
    artifact: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_bytes("sep=;\r\nNr;said\r\n1;Schöne Größe, lamp\r\n2;größer\r\n".encode("cp1252"))
    command = ["classify", artifact, "--file", str(source), "--column", "said", "--out", str(out)]
    assert main(command) == DONE
    assert "read as Windows-1252, Western Europe, a guess" in capsys.readouterr().err
    assert json.loads(out.read_text().splitlines()[0])["said"] == "Schöne Größe, lamp"
    assert main([*command, "--overwrite", "--encoding", "mac_roman"]) == DONE
    assert "guess" not in capsys.readouterr().err
    assert json.loads(out.read_text().splitlines()[0])["said"] != "Schöne Größe, lamp"


def test_a_file_goes_back_in_its_own_form(
    artifact: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes("sep=;\r\nNr;text\r\n007;größer, lamp\r\n".encode("cp1252"))
    assert main(["classify", artifact, "--file", str(source), "--out", str(out), "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["notes"] == []
    first, header, row, end = out.read_bytes().decode("cp1252").split("\r\n")
    assert (first, header, end) == ("sep=;", "Nr;text;label;score;abstained", "")
    assert row.startswith("007;größer, lamp;")


def test_people_are_told_of_texts_to_doubt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = {"artifact": {"by_language": {"en": {"rows": 9}}}}
    folder = spoken(tmp_path / "own", quality=judged)
    hindi = declaration.paragraphs("hi")[4]
    assert main(["classify", str(folder), "turn on the lamp in the hall", hindi]) == DONE
    own, foreign = capsys.readouterr().out.splitlines()
    assert "(" not in own.partition("turn")[0]
    assert "(like nothing it was taught)  (not judged in Hindi)" in foreign
    (tmp_path / "in.csv").write_text(f'text\nturn on the lamp in the hall\n"{hindi}"\n" "\n')
    table = [str(tmp_path / name) for name in ("in.csv", "out.jsonl")]
    assert main(["classify", str(folder), "--file", table[0], "--out", table[1]]) == DONE
    assert "1 like nothing it was taught" in capsys.readouterr().out
    records = [json.loads(line) for line in Path(table[1]).read_text().splitlines()]
    assert [record["familiar"] for record in records] == [True, False, None]

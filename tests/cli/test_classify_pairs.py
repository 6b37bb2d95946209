"""`edgekit classify` and `inspect` with an artifact that takes pairs of texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import edgekit
from edgekit.cli import main
from tests.tiny.artifact import PAIRS, make_artifact, make_pair_artifact


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pair_artifact(tmp_path_factory.mktemp("pairs") / "tiny")


def test_a_pair_is_two_texts(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with edgekit.load(artifact) as model:
        wanted = [model.classify(pair).scores for pair in PAIRS[:2]]
    (one, other), (third, fourth) = PAIRS[:2]
    assert main(["classify", str(artifact), one, "--pair", other, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"] == wanted[0]
    both = [one, third, "--pair", other, "--pair", fourth]
    assert main(["classify", str(artifact), *both, "--json"]) == 0
    assert [answer["scores"] for answer in json.loads(capsys.readouterr().out)] == wanted
    assert main(["classify", str(artifact), *both]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith(f"{third} · {fourth}")


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (["lamp"], 1, "takes pairs of texts; give the second with --pair"),
        (["lamp", "song", "--pair", "on"], 2, "give --pair once for each text: 2 times"),
        (["--file", "a.csv", "--out", "b.csv", "--pair", "on"], 2, "--pair is for texts"),
        (["--pair", "on"], 2, "give one or more texts"),
    ],
)
def test_what_is_not_a_pair_is_one_sentence(
    asked: list[str], code: int, said: str, artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", str(artifact), *asked]) == code
    assert said in capsys.readouterr().err


def test_a_classifier_of_single_texts_takes_no_pair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_artifact(tmp_path / "single")
    assert main(["classify", str(folder), "lamp", "--pair", "on"]) == 1
    assert "takes single texts, not pairs; leave out --pair" in capsys.readouterr().err


def test_a_file_has_both_texts(artifact: Path, tmp_path: Path) -> None:
    rows = [json.dumps({"premise": one, "hypothesis": other}) for one, other in PAIRS]
    (tmp_path / "in.jsonl").write_text("\n".join(rows), encoding="utf-8")
    columns = ["--column", "premise", "--pair-column", "hypothesis"]
    files = ["--file", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out.jsonl")]
    assert main(["classify", str(artifact), *files, *columns]) == 0
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    with edgekit.load(artifact) as model:
        wanted = [model.classify(pair).label for pair in PAIRS]
    assert [json.loads(line)["label"] for line in lines] == wanted


def test_inspect_says_it(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(artifact)]) == 0
    assert "reads      pairs of texts: 32 tokens at once" in capsys.readouterr().out
    assert main(["inspect", str(artifact), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["pairs"] is True

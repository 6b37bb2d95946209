"""`edgekit classify` and `inspect` with an artifact whose texts may have several labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import edgekit
from edgekit.artifact import manifest
from edgekit.cli import main
from edgekit.errors import ArtifactError
from tests.tiny.artifact import LABELS, TEXTS, fields, make_set_artifact


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """The sigmoids of every text; the same whatever the thresholds."""
    folder = make_set_artifact(tmp_path_factory.mktemp("half") / "tiny", 0.5, 0.5, 0.5)
    with edgekit.load(folder) as model:
        return {text: model.classify(text).scores for text in TEXTS}


@pytest.fixture(scope="module")
def artifact(scores: dict[str, dict[str, float]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first text has all labels, and another has none."""
    least = [round(scores[TEXTS[0]][label] - 1e-4, 6) for label in LABELS]
    return make_set_artifact(tmp_path_factory.mktemp("sets") / "tiny", *least)


def given(scores: dict[str, dict[str, float]], artifact: Path, text: str) -> list[str]:
    spec = edgekit.inspect(artifact).manifest.model.thresholds
    assert spec is not None
    found = [
        (-scores[text][label], label)
        for label, least in zip(LABELS, spec.labels, strict=True)
        if scores[text][label] >= least
    ]
    return [label for _, label in sorted(found)]


def test_every_label_over_its_threshold_is_given(
    scores: dict[str, dict[str, float]], artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", str(artifact), *TEXTS, "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    wanted = [given(scores, artifact, text) for text in TEXTS]
    assert [answer["labels"] for answer in answers] == wanted
    assert [answer["label"] for answer in answers] == [next(iter(one), None) for one in wanted]
    assert sorted(wanted[0]) == sorted(LABELS)
    assert not all(wanted)
    assert main(["classify", str(artifact), *TEXTS]) == 0
    for line, labels in zip(capsys.readouterr().out.splitlines(), wanted, strict=True):
        assert line.startswith(", ".join(labels) or "–")


@pytest.mark.parametrize("isolate", [False, True])
def test_a_worker_gives_the_same_sets(
    scores: dict[str, dict[str, float]], artifact: Path, isolate: bool
) -> None:
    with edgekit.load(artifact, isolate=isolate) as model:
        found = [list(answer.labels) for answer in model.classify(TEXTS)]
    assert found == [given(scores, artifact, text) for text in TEXTS]


def test_a_file_has_them_in_one_column_and_an_empty_text_has_no_score(
    scores: dict[str, dict[str, float]], artifact: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    texts = [*TEXTS, " "]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert main(["classify", str(artifact), "--file", str(source), "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    wanted = ["|".join(given(scores, artifact, text)) for text in TEXTS]
    assert [row["label"] for row in rows] == [*wanted, None]
    assert [row["score"] is None for row in rows] == [*(False for _ in TEXTS), True]


def test_inspect_says_from_which_score_a_label_is_given(
    artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(artifact)]) == 0
    told = capsys.readouterr().out
    assert "a text may have several of them or none, each from a score of 50 %, for want" in told


@pytest.mark.parametrize(
    ("thresholds", "sentence"),
    [([0.5, 0.5], "not one threshold for each label"), ([0.5, 0.5, 1.5], "between 0 and 1")],
)
def test_thresholds_that_do_not_fit_are_refused(thresholds: list[float], sentence: str) -> None:
    spec = {"labels": thresholds, "teacher": thresholds, "rows": 3}
    whole = fields(
        model={**fields()["model"], "thresholds": spec},
        needs={"disk_bytes": 1, "ram_bytes": 1, "cpu": "any"},
    )
    files = [{"path": "model.onnx", "size_bytes": 1, "sha256": "0" * 64}]
    with pytest.raises(ArtifactError, match=sentence):
        manifest.encode({**whole, "files": files})

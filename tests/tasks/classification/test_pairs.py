"""An artifact that takes pairs of texts answers pairs, in this process and in a worker, and says in
one sentence what else it is given."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.artifact import folder as artifacts
from edgekit.artifact import manifest
from edgekit.errors import ArtifactError, ContextOverflow, DataError
from edgekit.runtime.opening import self_test
from edgekit.tasks.classification import golden
from edgekit.tasks.classification.file import classify_file
from tests.tiny.artifact import PAIRS, fields, make_artifact, make_pair_artifact


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pair_artifact(tmp_path_factory.mktemp("pairs") / "tiny")


@pytest.fixture(scope="module")
def model(artifact: Path):  # type: ignore[no-untyped-def]
    with edgekit.load(artifact) as loaded:
        yield loaded


def test_a_pair_has_an_answer_of_its_own(model: edgekit.Model) -> None:
    one, other = model.classify(PAIRS[0]), model.classify((PAIRS[0][1], PAIRS[0][0]))
    assert one.parts == 1
    assert one.scores != other.scores
    several = list(model.classify(iter(PAIRS)))
    assert [answer.scores for answer in several] == [model.classify(p).scores for p in PAIRS]
    assert len(list(model.logits(list(PAIRS)))) == len(PAIRS)


def test_a_worker_gives_the_same_answers(model: edgekit.Model, artifact: Path) -> None:
    with edgekit.load(artifact, isolate=True) as worker:
        for pair in PAIRS:
            assert np.array_equal(worker.logits(pair), model.logits(pair))
        with pytest.raises(DataError, match="takes pairs of texts, and this is a text"):
            worker.classify("lamp")
    assert self_test(artifacts.read(artifact)) == len(PAIRS)


def test_a_long_second_text_is_read_in_parts_whose_mean_decides(model: edgekit.Model) -> None:
    pair = ("lamp", "play a song, please. " * 12)
    found = model.classify(pair)
    assert found.parts > 1
    with pytest.raises(ContextOverflow, match="first text of a pair"):
        model.classify((pair[1], "lamp"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("lamp", "takes pairs of texts, and this is a text; give a tuple of the two"),
        (["lamp", "song"], "takes pairs of texts, and this is a text"),
        ([["lamp", "song"]], "takes pairs of texts, and this is list"),
        ([("lamp", "song", "on")], "takes pairs of texts, and this is tuple"),
        ([("lamp", 3)], "takes pairs of texts, and this is tuple"),
        (("lamp", " "), "A text of a pair is empty"),
        (5, "Give a text or an iterable of texts, not int"),
    ],
)
def test_anything_but_a_pair_is_one_sentence(given: Any, said: str, model: edgekit.Model) -> None:
    with pytest.raises(DataError, match=said):
        list(model.classify(given))


def test_a_pair_is_refused_where_single_texts_are_taken(tmp_path: Path) -> None:
    with edgekit.load(make_artifact(tmp_path / "single")) as single:
        with pytest.raises(DataError, match="takes single texts, and this is a pair"):
            list(single.classify([("lamp", "song")]))
        assert len(list(single.classify(("lamp", "song")))) == 2  # an iterable of texts, as ever


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_file_of_pairs_is_labelled_row_by_row(model: edgekit.Model, tmp_path: Path) -> None:
    rows = [{"text": one, "text_pair": other} for one, other in (*PAIRS, ("lamp", ""))]
    out = tmp_path / "out.csv"
    done = classify_file(model, write(tmp_path / "in.csv", rows), out, column="text")
    assert (done.rows, done.empty_rows) == (4, 1)
    with out.open(encoding="utf-8", newline="") as stream:
        labels = [row["label"] for row in csv.DictReader(stream)]
    assert labels == [*(model.classify(pair).label for pair in PAIRS), ""]
    named = [{"premise": one, "hypothesis": other} for one, other in PAIRS]
    path = write(tmp_path / "named.csv", named)
    columns = {"column": "premise", "pair_column": "hypothesis"}
    assert classify_file(model, path, tmp_path / "named-out.csv", **columns).rows == 3


def test_a_file_without_second_texts_is_one_sentence(model: edgekit.Model, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": "lamp", "other": "song"}])
    with pytest.raises(DataError, match=r"in.csv:2: there is no column 'text_pair'"):
        classify_file(model, path, tmp_path / "out.csv", column="text")
    with pytest.raises(DataError, match="both texts of a pair would come from the column 'text'"):
        classify_file(model, path, tmp_path / "out.csv", column="text", pair_column="text")


def changed(folder: Path, **spec: Any) -> dict[str, Any]:
    return fields(model={**fields()["model"], **spec})


def test_the_manifest_says_it_and_an_older_edgekit_does_not_know_the_key(artifact: Path) -> None:
    found = artifacts.read(artifact).manifest
    assert found.model.pairs
    assert found.as_json()["model"]["pairs"] is True
    single = manifest.decode(manifest.encode({**fields(), **_whole()}))
    assert "pairs" not in single.as_json()["model"]
    for wrong in (1, "yes", None):
        with pytest.raises(ArtifactError, match="model: pairs must be true or false"):
            manifest.encode({**changed(artifact, pairs=wrong), **_whole()})
    with pytest.raises(ArtifactError, match="does not know 'pears'; pip install --upgrade"):
        manifest.encode({**changed(artifact, pears=True), **_whole()})


def _whole() -> dict[str, Any]:
    entry = {"path": "model.onnx", "sha256": "0" * 64, "size_bytes": 1}
    return {"files": [entry], "needs": {"disk_bytes": 1, "ram_bytes": 1, "cpu": "any"}}


def test_only_tasks_with_pairs_may_say_it(tmp_path: Path) -> None:
    spec = {**fields()["model"], "pairs": True,
            "summary": {"engine": "extractive", "words": 9, "generation": {}}}  # fmt: skip
    folder = make_artifact(tmp_path / "odd")
    path = folder / "manifest.json"
    path.unlink()
    artifacts.write(folder, fields(task="summarization", labels=[], model=spec))
    with pytest.raises(ArtifactError, match="summarization artifact cannot take pairs of texts"):
        edgekit.load(folder)


def test_golden_inputs_are_of_the_kind_that_the_manifest_says(artifact: Path) -> None:
    found = artifacts.read(artifact).manifest
    data = (artifact / "golden.json").read_bytes()
    assert golden.read(data, found).texts() == list(PAIRS)
    value = json.loads(data)
    value["inputs"][1] = "lamp"
    with pytest.raises(ArtifactError, match="the inputs must be pairs of texts"):
        golden.read(json.dumps(value).encode(), found)
    value["inputs"][1] = ["lamp"]
    with pytest.raises(ArtifactError, match="is neither a text nor a pair of texts"):
        golden.read(json.dumps(value).encode(), found)

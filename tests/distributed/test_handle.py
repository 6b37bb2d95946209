"""A handle: small, lazy, the same answers as the model's own, and an error for a row alone."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.artifact import folder as artifacts
from edgekit.distributed import handle as handles
from edgekit.errors import DataError, EdgekitError, IntegrityError, UnsupportedTask
from tests.tiny.artifact import LABELS, TEXTS, make_artifact, make_pair_artifact, make_set_artifact

WANTED = ["label", "score", "abstained", "parts", "error"]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_artifact(tmp_path_factory.mktemp("made") / "tiny-intents-onnx")


def test_answers_are_the_models_own_whoever_stands_beside(artifact: Path) -> None:
    texts = [*TEXTS, "song " * 90] * 5
    found = edgekit.Handle(artifact, threads=3)({"text": texts})
    assert list(found) == ["text", *WANTED]
    with edgekit.load(artifact) as model:
        alone = [model.classify(text) for text in texts]
    assert found["label"] == [answer.label for answer in alone]
    assert found["score"] == [round(answer.score, 6) for answer in alone]
    assert found["parts"] == [answer.parts for answer in alone]
    assert found["abstained"] == [answer.abstained for answer in alone]
    assert found["error"] == [None] * len(texts)


def test_it_travels_as_path_digest_and_options(artifact: Path) -> None:
    handle = edgekit.Handle(artifact, options={"abstain_below": 0.9}, threads=2, max_ram="1GB")
    found = handle({"text": list(TEXTS)})
    sent = pickle.dumps(handle)
    assert len(sent) < 1000
    arrived = pickle.loads(sent)
    assert arrived.digest == edgekit.inspect(artifact).manifest.digest
    assert arrived({"text": list(TEXTS)}) == found
    assert any(found["abstained"])
    assert arrived.load() is handle.load()


def test_nothing_is_loaded_before_a_row_comes(artifact: Path) -> None:
    code = (
        "import pickle, sys\n"
        "handle = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "before = handle({'text': []})\n"
        "print(list(before), 'onnxruntime' in sys.modules)\n"
        "handle({'text': ['lamp']})\n"
        "print('onnxruntime' in sys.modules)"
    )
    sent = pickle.dumps(edgekit.Handle(artifact)).hex()
    command = [sys.executable, "-c", code, sent]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{['text', *WANTED]} False", "True"]


def test_a_row_without_an_answer_has_the_reason(artifact: Path) -> None:
    found = edgekit.Handle(artifact)({"text": ["lamp", None, "", float("nan"), "song"]})
    assert [label is None for label in found["label"]] == [False, True, True, True, False]
    assert found["error"] == [
        None,
        "This row has no text in 'text'.",
        "A text is empty, so it has no label; leave it out.",
        "This row has no text in 'text'.",
        None,
    ]
    for name in WANTED[:-1]:
        assert found[name][1:4] == [None] * 3


def test_numpy_columns_are_answered_with_numpy_columns(artifact: Path) -> None:
    handle = edgekit.Handle(artifact)
    whole = handle({"text": np.array(["lamp", "song"]), "n": np.arange(2)})
    holes = handle({"text": np.array(["lamp", None], dtype=object)})
    for name in WANTED:
        assert isinstance(whole[name], np.ndarray)
        assert whole[name].dtype == holes[name].dtype
    assert whole["score"].dtype == np.float64
    assert np.isnan(holes["score"][1])
    assert set(whole["label"]) <= set(LABELS)


def test_arrow_gives_arrow(artifact: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    handle = edgekit.Handle(artifact)
    table = pa.table({"n": [1, 2, 3], "text": ["lamp", None, "song"]})
    for batch in (table, table.to_batches()[0], table.slice(0, 0)):
        found = handle(batch)
        assert type(found) is type(batch)
        assert [*found.schema.names] == ["n", "text", *WANTED]
        kinds = [str(found.schema.field(name).type) for name in WANTED]
        assert kinds == ["string", "double", "bool", "int64", "string"]
    rows = handle(table).to_pylist()
    assert rows == handle(table.to_batches()[0]).to_pylist()
    assert [row["label"] for row in rows] == handle({"text": ["lamp", None, "song"]})["label"]


def test_pandas_gives_pandas(artifact: Path) -> None:
    pd = pytest.importorskip("pandas")
    handle = edgekit.Handle(artifact)
    frame = pd.DataFrame({"text": ["lamp", None, "song"]}, index=[7, 3, 5])
    found = handle(frame)
    assert list(found.index) == [7, 3, 5]
    assert list(frame.columns) == ["text"]
    # One set of types for every part of a table, whatever its rows hold.
    for part in (frame.iloc[:1], frame.iloc[1:2], frame.iloc[:0]):
        assert list(handle(part).dtypes) == list(found.dtypes)
    assert found["error"].notna().tolist() == [False, True, False]
    assert found["parts"].dropna().tolist() == [1, 1]


def test_columns_of_the_same_name_stay(artifact: Path) -> None:
    found = edgekit.Handle(artifact)({"text": ["lamp"], "label": ["mine"]})
    assert found["label"] == ["mine"]
    assert found["edgekit_label"] == edgekit.Handle(artifact)({"text": ["lamp"]})["label"]


def test_several_labels_are_written_as_in_a_file(tmp_path: Path) -> None:
    handle = edgekit.Handle(make_set_artifact(tmp_path / "sets", 0.01, 0.01, 0.01))
    (found,) = handle({"text": ["lamp"]})["label"]
    assert set(found.split("|")) == set(LABELS)


@pytest.mark.parametrize("batch", [["lamp"], "lamp", 7, {"text": ["a"], "n": [1, 2]}])
def test_what_is_no_table_is_refused(artifact: Path, batch: Any) -> None:
    with pytest.raises(DataError, match="batch"):
        edgekit.Handle(artifact)(batch)


def test_what_is_wrong_in_every_row_is_raised(artifact: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'txt'\. Did you mean 'text'"):
        edgekit.Handle(artifact, column="txt")({"text": ["lamp"]})
    with pytest.raises(EdgekitError, match=r"no option 'abstain' .* mean 'abstain_below'"):
        edgekit.Handle(artifact, options={"abstain": 0.5})
    with pytest.raises(EdgekitError, match="must be of the type Real"):
        edgekit.Handle(artifact, options={"abstain_below": "much"})
    with pytest.raises(EdgekitError, match="0 threads"):
        edgekit.Handle(artifact, threads=0)
    with pytest.raises(edgekit.ArtifactError, match="no such folder"):
        edgekit.Handle(tmp_path / "gone")
    with pytest.raises(edgekit.OutOfMemoryBudget):
        edgekit.Handle(artifact, max_ram="1MB")({"text": ["lamp"]})
    with pytest.raises(UnsupportedTask, match="without a context"):
        edgekit.Handle(artifact, context=64)({"text": ["lamp"]})


def test_another_artifact_under_the_path_is_refused(tmp_path: Path) -> None:
    handle = edgekit.Handle(make_artifact(tmp_path / "here", name="one"))
    (tmp_path / "here").rename(tmp_path / "there")
    make_artifact(tmp_path / "here", name="other")
    with pytest.raises(IntegrityError, match="not the one that the handle was made for"):
        handle({"text": ["lamp"]})


def test_files_are_hashed_once_on_a_host(
    tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    found = artifacts.read(tiny_artifact)
    artifacts.verify_for_load(found, once=True)
    path = tiny_artifact / "MODEL_CARD.md"
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    artifacts.verify_for_load(found, once=True)  # the price of not hashing each time
    with pytest.raises(IntegrityError):
        artifacts.verify_for_load(found)
    os.utime(path)
    with pytest.raises(IntegrityError):
        artifacts.verify_for_load(found, once=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_loads_a_model_of_its_own(artifact: Path) -> None:
    """In a process of this test's alone: threads and fork do not go together elsewhere."""
    code = (
        "import os, sys\nimport edgekit\n"
        "handle = edgekit.Handle(sys.argv[1])\n"
        "print(handle({'text': ['lamp']})['label'], flush=True)\n"
        "if os.fork() == 0:\n"
        "    print(handle({'text': ['lamp']})['label'], flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(artifact)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.splitlines()
    assert first == second == "['heat']"


def test_a_model_that_closes_is_not_every_rows_fault(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that no text is the reason of is not spread over a million rows."""

    class Broken:
        def classify(self, text: str) -> Any:
            raise IntegrityError("damaged")

    monkeypatch.setattr(handles._Models, "get", lambda self, place: Broken())
    with pytest.raises(IntegrityError, match="damaged"):
        edgekit.Handle(artifact)({"text": ["lamp"]})


def test_an_artifact_for_pairs_has_none(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedTask, match="takes pairs of texts, and a handle answers"):
        edgekit.Handle(make_pair_artifact(tmp_path / "pairs"))

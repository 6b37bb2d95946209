"""A whole file: every record comes out, in order and once, however often the run was killed."""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import pytest

import edgekit
from edgekit.data.rows import RecordWriter, stream_records
from edgekit.errors import ContextOverflow, DataError
from edgekit.system import paths
from edgekit.system.digest import sha256_json
from edgekit.tasks.classification import file as files
from edgekit.tasks.classification.file import FileResult, classify_file
from tests.tiny.artifact import TEXTS

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
        writer.finish()
    return path


def some_records(count: int) -> list[dict[str, Any]]:
    generator = random.Random(2)
    return [
        {"id": f"row {number}", "text": " ".join(generator.choices(TEXTS, k=2)), "note": 'a,"b"\n'}
        for number in range(count)
    ]


@pytest.fixture
def model(tiny_artifact: Path) -> Iterator[edgekit.Model]:
    with edgekit.load(tiny_artifact) as model:
        yield model


@pytest.mark.parametrize("out", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_every_record_comes_out_with_its_answer(
    model: edgekit.Model, tmp_path: Path, source: str, out: str
) -> None:
    records = some_records(600)
    path = write(tmp_path / f"in{source}", records)
    result = classify_file(model, path, tmp_path / f"out{out}", column="text")
    assert result == FileResult(tmp_path / f"out{out}", 600, 0, 0, 0)
    found = list(stream_records(result.path))
    assert [{name: row[name] for name in ("id", "text", "note")} for row in found] == records
    for row, answer in zip(found, model.classify(row["text"] for row in records), strict=True):
        assert row["label"] == answer.label
        assert float(row["score"]) == round(answer.score, 6)
        assert row["abstained"] in (False, "false")
    assert sorted(entry.name for entry in tmp_path.glob("out*")) == [f"out{out}"]


def test_columns_of_the_same_name_stay(model: edgekit.Model, tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", [{"text": "lamp", "label": "mine", "score": [1, 2]}])
    out = classify_file(model, path, tmp_path / "out.jsonl", column="text").path
    (row,) = stream_records(out)
    assert list(row) == ["text", "label", "score", "edgekit_label", "edgekit_score", "abstained"]
    assert (row["label"], row["score"]) == ("mine", [1, 2])
    again = tmp_path / "again.jsonl"
    with pytest.raises(DataError, match="'label' and 'edgekit_label'"):
        classify_file(model, out, again, column="text")
    assert list(tmp_path.glob("again*")) == []


def test_rows_without_text_stay_without_a_label(model: edgekit.Model, tmp_path: Path) -> None:
    path = write(
        tmp_path / "in.csv", [{"text": text} for text in ["", "lamp", " ", "", "song", ""]]
    )
    result = classify_file(model, path, tmp_path / "out.jsonl", column="text", abstain_below=1)
    assert (result.rows, result.empty_rows, result.abstained_rows) == (6, 4, 2)
    rows = list(stream_records(result.path))
    assert [row["label"] is None for row in rows] == [True, False, True, True, False, True]
    assert all(row["abstained"] for row in rows)


def test_bad_input_is_refused_before_anything_is_written(
    model: edgekit.Model, tmp_path: Path
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"text\n" + "schöne lamp\n".encode() * 500 + b"l\xffmp\n")
    with pytest.raises(DataError, match=r"in\.csv:502"):
        classify_file(model, path, tmp_path / "out.csv", column="text")
    path.write_bytes(b"texts\nlamp\n")
    with pytest.raises(DataError, match="Did you mean 'texts'"):
        classify_file(model, path, tmp_path / "out.csv", column="text")
    path.write_bytes(b"text\nlamp\n")
    with pytest.raises(DataError, match="no format"):
        classify_file(model, path, tmp_path / "out.numbers", column="text")
    assert [entry.name for entry in tmp_path.glob("*out*")] == []


def test_a_file_that_is_there_is_not_lost(model: edgekit.Model, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", some_records(3))
    out = tmp_path / "out.csv"
    out.write_text("precious")
    with pytest.raises(DataError, match="exists"):
        classify_file(model, path, out, column="text")
    assert out.read_text() == "precious"
    assert classify_file(model, path, out, column="text", overwrite=True).rows == 3
    with pytest.raises(DataError, match="the input itself"):
        classify_file(model, path, path, column="text", overwrite=True)
    assert sorted(entry.name for entry in tmp_path.glob("*.csv*")) == ["in.csv", "out.csv"]


def test_two_runs_do_not_write_one_file(model: edgekit.Model, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", some_records(3))
    out = tmp_path / "out.csv"
    locks = paths.cache_dir() / "locks"
    locks.mkdir(parents=True)
    with (
        filelock.FileLock(locks / sha256_json(str(out))),
        pytest.raises(DataError, match="another edgekit"),
    ):
        classify_file(model, path, out, column="text")


class _Stopped(Exception):
    pass


def stop_after(rows: int) -> Any:
    def on_progress(done: int, total: int) -> None:
        if done == rows:
            raise _Stopped

    return on_progress


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_stopped_run_goes_on_to_the_same_bytes(
    model: edgekit.Model, tmp_path: Path, suffix: str
) -> None:
    path = write(tmp_path / f"in{suffix}", some_records(20))
    whole = classify_file(model, path, tmp_path / f"whole{suffix}", column="text").path
    out = tmp_path / f"out{suffix}"
    for rows in (3, 11, 20):
        with pytest.raises(_Stopped):
            classify_file(model, path, out, column="text", on_progress=stop_after(rows))
        assert not out.exists()
    assert classify_file(model, path, out, column="text").resumed_rows == 20
    assert out.read_bytes() == whole.read_bytes()


def test_only_the_same_work_is_gone_on_with(model: edgekit.Model, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", some_records(20))
    other = write(tmp_path / "other.csv", some_records(19))
    out = tmp_path / "out.csv"
    with pytest.raises(_Stopped):
        classify_file(model, path, out, column="text", on_progress=stop_after(5))
    for changed in ({"source": other}, {"abstain_below": 0.5}, {"column": "id"}):
        settings = {"column": "text", **changed}
        source = settings.pop("source", path)
        with pytest.raises(DataError, match="another input, model or setting"):
            classify_file(model, source, out, **settings)
    assert classify_file(model, other, out, column="text", overwrite=True).resumed_rows == 0
    assert len(list(stream_records(out))) == 19


def test_a_kill_after_the_last_row_is_no_obstacle(
    model: edgekit.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is whole and in its place, only the job beside it is left."""
    path = write(tmp_path / "in.csv", some_records(5))
    out = tmp_path / "out.csv"

    def stop(out: Path) -> Path:
        if out.exists():
            raise _Stopped
        return real(out)

    real = files._job_file
    with monkeypatch.context() as patch:
        patch.setattr(files, "_job_file", stop)
        with pytest.raises(_Stopped):
            classify_file(model, path, out, column="text")
    data = out.read_bytes()
    assert classify_file(model, path, out, column="text").rows == 5
    assert out.read_bytes() == data
    assert sorted(entry.name for entry in tmp_path.glob("out*")) == ["out.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_killed_again_and_again_the_file_is_the_same(tiny_artifact: Path, tmp_path: Path) -> None:
    with (tmp_path / "in.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["id", "text", "note"])
        writer.writeheader()
        writer.writerows(some_records(4000))
    out = tmp_path / "out.csv"
    command = [
        sys.executable, "-m", "edgekit", "classify", str(tiny_artifact),
        "--file", str(tmp_path / "in.csv"), "--out", str(out), "--json",
    ]  # fmt: skip
    partial, reached = tmp_path / "out.csv.partial", 0
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            while process.poll() is None:
                size = partial.stat().st_size if partial.exists() else 0
                if size > reached + 20_000:
                    process.send_signal(signal.SIGKILL)
                    reached = size
                time.sleep(0.002)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["resumed_rows"] > 100
    with edgekit.load(tiny_artifact) as model:
        whole = classify_file(model, tmp_path / "in.csv", tmp_path / "whole.csv", column="text")
    assert out.read_bytes() == whole.path.read_bytes()
    assert sorted(entry.name for entry in tmp_path.glob("out*")) == ["out.csv"]


def test_an_error_of_one_row_names_its_file_and_line(model: edgekit.Model, tmp_path: Path) -> None:
    class Fails:
        """As the model, and the third text cannot be answered."""

        manifest = model.manifest

        def classify(self, texts: Iterator[str], **settings: Any) -> Iterator[Any]:
            for number, text in enumerate(texts):
                if number == 2:
                    raise ContextOverflow("A single character takes more than a window.")
                yield model.classify(text)

    path = write(tmp_path / "in.csv", some_records(5))
    with pytest.raises(ContextOverflow) as caught:
        classify_file(Fails(), path, tmp_path / "out.csv", column="text")
    line = 1 + 2 * 2 + 1  # every record of these has two lines
    assert str(caught.value) == f"{path}:{line}: A single character takes more than a window."


def test_a_second_text_is_never_left_out_silently(model: edgekit.Model, tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", [{"text": "lamp", "text_pair": "on"}])
    with pytest.raises(DataError, match="there is a column 'text_pair'"):
        classify_file(model, path, tmp_path / "out.csv", column="text")
    asked_for = classify_file(model, path, tmp_path / "out.csv", column="text_pair")
    assert asked_for.rows == 1

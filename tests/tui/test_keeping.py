"""What the app keeps: results, corrections, importance; also on a full disk and with two apps."""

from __future__ import annotations

import errno
import json
import sqlite3
import threading
from pathlib import Path

import pytest
from edgekit_tui import importance, places, results
from edgekit_tui.corrections import Corrections
from edgekit_tui.labelling import LabelJob, Labelling, Pace, Stopped
from edgekit_tui.results import Query, Results, export, make_index

from edgekit.data.rows import read_rows, stream_records
from edgekit.errors import DataError, EdgekitError, OutOfDisk
from tests.tui.scripted import ScriptedModel, make_manifest

TABLE = """text,label,score,abstained
the lamp,light,0.9,false
a song,music,0.4,false
a song,music,0.4,false
odd one,light,0.35,true
more odd,light,0.3,true
,,,true
"""


@pytest.fixture
def labelled() -> Path:
    path = Path("labelled.csv")
    path.write_text(TABLE, encoding="utf-8")
    return path


@pytest.fixture
def asked(labelled: Path) -> Results:
    make_index(labelled, Path("x.index"), column="text")
    return Results(Path("x.index"))


def test_results_are_counted_filtered_and_sorted(asked: Results) -> None:
    assert asked.count() == 6
    assert asked.by_label() == {"light": 3, "music": 2, "": 1}
    assert asked.by_label("SONG") == {"music": 2}
    assert [row.number for row in asked.page(Query(label="light"), offset=1, most=1)] == [4]
    least = asked.page(Query(label="light", order="score"), offset=0, most=9)
    assert [row.text for row in least] == ["more odd", "odd one", "the lamp"]
    assert asked.count(Query(contains="' OR 1=1 --")) == 0
    assert [row.number for row in asked.page(Query(order="text; DROP"), offset=0, most=1)] == [1]


def test_review_takes_turns_between_labels_and_shows_a_text_once(asked: Results) -> None:
    assert [row.text for row in asked.to_review(9)] == [
        "more odd", "a song", "odd one", "the lamp",
    ]  # fmt: skip


def test_a_corrected_row_has_the_persons_label_until_that_is_taken_back(asked: Results) -> None:
    asked.correct({"a song": "heat", "the lamp": "light", "elsewhere": "heat"})
    assert asked.by_label() == {"light": 3, "heat": 2, "": 1}
    rows = asked.page(Query(), offset=0, most=9)
    assert [(row.label, row.corrected) for row in rows[:4]] == [
        ("light", True), ("heat", True), ("heat", True), ("light", False),
    ]  # fmt: skip
    assert [row.score for row in rows[:2]] == [0.9, 0.4]
    # What is corrected already, or filtered away, is not asked for.
    assert [row.text for row in asked.to_review(9)] == ["more odd", "odd one"]
    assert [row.text for row in asked.to_review(9, Query(contains="more"))] == ["more odd"]
    assert asked.to_review(9, Query(label="heat")) == []
    asked.correct({"the lamp": "light"})
    assert asked.by_label() == {"light": 3, "music": 2, "": 1}
    asked.correct({})
    assert not any(row.corrected for row in asked.page(Query(), offset=0, most=9))


def test_a_full_disk_hides_no_result_and_is_said_where_a_label_is_new(
    asked: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = results._connect

    def full(path: Path) -> sqlite3.Connection:
        database = connect(path)
        database.execute("PRAGMA max_page_count = 1")  # no less than the file has
        return database

    asked.correct({"a song": "heat"})
    monkeypatch.setattr(results, "_connect", full)
    before = Path("x.index").read_bytes()
    asked.correct({"a song": "heat"})
    assert asked.by_label()["heat"] == 2
    with pytest.raises(OutOfDisk, match="make room on the disk"):
        asked.correct({"a song": "heat" * 50_000})
    assert Path("x.index").read_bytes() == before


def test_a_column_that_was_there_keeps_its_meaning() -> None:
    path = Path("own.csv")
    path.write_text("text,label,edgekit_label,score,abstained\nx,old,new,0.5,false\n")
    make_index(path, Path("own.index"), column="text")
    assert Results(Path("own.index")).by_label() == {"new": 1}


def test_a_locked_or_damaged_index_is_a_sentence(
    asked: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_LOCK_SECONDS", 0.05)
    other = sqlite3.connect("x.index")
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DataError, match="cannot be read"):
        asked.count()
    other.close()
    Path("x.index").write_bytes(b"not a database" * 100)
    with pytest.raises(DataError, match="label the file again"):
        asked.count()


def test_an_export_changes_the_format_and_overwrites_nothing(labelled: Path) -> None:
    out = Path("mine.jsonl")
    assert export(labelled, out).rows == 6
    assert [record["text"] for record in stream_records(out)][:2] == ["the lamp", "a song"]
    with pytest.raises(DataError, match="this file exists"):
        export(labelled, out)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_an_export_has_the_persons_labels_and_says_which_they_are(
    labelled: Path, ending: str
) -> None:
    source, out = Path(f"labelled-2.{ending}"), Path(f"mine.{ending}")
    export(labelled, source)
    export(source, out, corrected={"a song": "heat", "the lamp": "light"})
    wanted = [
        ("light", "light", True), ("heat", "music", True), ("heat", "music", True),
        ("light", "light", False), ("light", "light", False), (None, None, False),
    ]  # fmt: skip
    rows = list(stream_records(out))
    assert list(rows[0])[:4] == ["text", "label", "score", "abstained"]
    found = [
        (row["label"] or None, row["label_model"] or None, row["corrected"] in (True, "true"))
        for row in rows
    ]
    assert found == wanted
    assert [row["score"] for row in rows] == [row["score"] for row in stream_records(source)]
    # Without a correction the file is as it was labelled.
    plain = Path(f"plain.{ending}")
    export(source, plain)
    assert list(next(iter(stream_records(plain)))) == ["text", "label", "score", "abstained"]


def test_a_full_disk_is_said_and_leaves_no_half_export(labelled: Path) -> None:
    out = Path("full.jsonl")
    partial = Path("full.jsonl.partial")

    def fill(done: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(partial))

    with pytest.raises(OSError, match="No space"):
        export(labelled, out, on_progress=fill)
    assert not out.exists()
    assert not partial.exists()


def test_a_full_disk_while_results_are_sorted_is_a_sentence(labelled: Path) -> None:
    def fill(done: int) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with pytest.raises(EdgekitError, match="make room on the disk"):
        make_index(labelled, Path("y.index"), column="text", on_progress=fill)
    assert list(Path().glob("y.index*")) == []


def test_corrections_are_rows_that_a_recipe_trains_on() -> None:
    kept = Corrections("tiny")
    kept.set('odd "text", with\nlines', "light")
    kept.set("شغل", "music")
    kept.set("شغل", "heat")
    assert [(row.text, row.label) for row in read_rows(kept.path)] == [
        ('odd "text", with\nlines', "light"), ("شغل", "heat"),
    ]  # fmt: skip
    assert kept.path.stat().st_mode & 0o077 == 0
    kept.remove("شغل")
    kept.remove('odd "text", with\nlines')
    assert kept.all() == {}


def test_two_apps_lose_no_correction() -> None:
    def correct(first: int) -> None:
        kept = Corrections("tiny")
        for number in range(first, first + 15):
            kept.set(f"text {number}", "light")

    threads = [threading.Thread(target=correct, args=(first,)) for first in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Corrections("tiny").all()) == 45


def test_a_job_has_one_place_for_one_input() -> None:
    job = LabelJob(Path("/a"), "d" * 64, Path("/in/letters.csv"), "text", "tiny")
    assert job.out.parent == places.results()
    assert job.out == LabelJob(Path("/b"), "d" * 64, Path("/in/letters.csv"), "text", "tiny").out
    for other in (
        LabelJob(Path("/a"), "e" * 64, Path("/in/letters.csv"), "text", "tiny"),
        LabelJob(Path("/a"), "d" * 64, Path("/other/letters.csv"), "text", "tiny"),
        LabelJob(Path("/a"), "d" * 64, Path("/in/letters.csv"), "note", "tiny"),
    ):
        assert other.out != job.out


def test_a_stopped_run_keeps_its_rows_and_goes_on() -> None:
    source = Path("in.csv")
    source.write_text("text\n" + "".join(f"lamp {n}\n" for n in range(30)))
    model = ScriptedModel(make_manifest())
    job = LabelJob(Path("/a"), model.manifest.digest, source, "text", "tiny")
    run: Labelling

    def stop_soon(pace: Pace) -> None:
        run.stop()

    run = Labelling(job, stop_soon)
    with pytest.raises(Stopped):
        run.run(model)  # type: ignore[arg-type]
    before = len(model.asked)
    assert 0 < before < 30
    result = Labelling(job, lambda pace: None).run(model)  # type: ignore[arg-type]
    assert result.rows == 30
    assert result.resumed_rows == before


def test_words_that_carry_the_label_weigh_most() -> None:
    model = ScriptedModel(make_manifest())
    text = "turn the lamp on"
    weights = dict(importance.weigh(model, text, model.classify(text)))
    assert max(weights, key=lambda word: weights[word]) == "lamp"
    assert weights[" "] == 0
    assert "".join(importance.split("关灯 now")) == "关灯 now"
    assert importance.words("关灯 now") == 3
    (alone,) = importance.weigh(model, "lamp", model.classify("lamp"))
    assert alone == ("lamp", 0.0)


def test_a_worker_that_dies_twice_is_told() -> None:
    from edgekit_tui.models import Models

    from tests.tui.scripted import DEADLY

    model = ScriptedModel(make_manifest())
    kept = Models(lambda folder, threads, max_ram: model)
    with pytest.raises(EdgekitError, match="SIGKILL"):
        kept.answer(Path("/a"), DEADLY)
    assert model.asked == [DEADLY, DEADLY]
    assert kept.answer(Path("/a"), "lamp").label == "light"


def test_a_text_without_any_of_several_labels_is_not_one_without_text(tmp_path: Path) -> None:
    labelled = tmp_path / "sets.jsonl"
    rows = [("a", "heat|light", 0.9), ("b", "", 0.1), (" ", None, None)]
    lines = (
        json.dumps({"text": text, "label": label, "score": score, "abstained": score is None})
        for text, label, score in rows
    )
    labelled.write_text("".join(f"{line}\n" for line in lines))
    make_index(labelled, tmp_path / "sets.index", column="text")
    assert Results(tmp_path / "sets.index").by_label() == {"": 1, "heat|light": 1, "–": 1}

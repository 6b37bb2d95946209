"""Walks with the keyboard alone: a whole file is labelled, looked at, corrected and exported."""

from __future__ import annotations

import csv
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from edgekit_tui import places, results
from edgekit_tui.screens.classify import ClassifyScreen
from edgekit_tui.screens.file import ColumnScreen, FileScreen
from edgekit_tui.screens.labelling import LabellingScreen
from edgekit_tui.screens.results import ResultsScreen
from edgekit_tui.screens.review import ReviewScreen
from textual.pilot import Pilot
from textual.widgets import DataTable

from edgekit.data.rows import read_rows, stream_records
from tests.tui.scripted import ScriptedModel, found, make_app, make_manifest, settle, shown, until

Snapshot = Callable[[Pilot[None]], Awaitable[None]]
TEXTS = ("turn the light on", "a song please", "heating up", "the lamp", "what now", "[/b] odd")


def make_table(path: Path, rows: int = 1000) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "from"])
        writer.writerows((n, f"{TEXTS[n % len(TEXTS)]} {n}", "desk") for n in range(rows))
    return path


async def label(pilot: Pilot[None], name: str) -> None:
    """From Home to the results of a table in the working folder."""
    await settle(pilot)
    await pilot.press("4")
    await settle(pilot)
    assert isinstance(pilot.app.screen, FileScreen)
    await pilot.press(*name)
    await pilot.press("enter")
    await settle(pilot)
    assert isinstance(pilot.app.screen, ColumnScreen)
    await pilot.press("enter")
    await pilot.pause()


async def to_results(pilot: Pilot[None]) -> ResultsScreen:
    await until(pilot, lambda: isinstance(pilot.app.screen, ResultsScreen))
    await settle(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, ResultsScreen)
    return screen


async def test_a_thousand_rows_are_labelled_corrected_and_exported(snapshot: Snapshot) -> None:
    table = make_table(Path("letters.csv"))
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await label(pilot, "letters")
        await to_results(pilot)
        assert "1,000 rows" in shown(pilot.app, "#status")
        await snapshot(pilot)

        await pilot.press("r")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ReviewScreen)
        first = pilot.app.screen.rows[0].text
        for _ in range(5):
            await pilot.press("2")
            await settle(pilot)
        corrections = read_rows(places.corrections() / "tiny-intents.csv")
        assert len(corrections) == 5
        assert corrections[0].text == first
        await pilot.press("escape")

        await settle(pilot)
        screen = await to_results(pilot)
        assert "✓ corrected" in shown(pilot.app, "#status")
        known = {row.text: row.label or "" for row in corrections}
        marked = [row for row in screen._rows if row.text in known]
        assert len(marked) >= 5
        for row in screen._rows:
            assert row.corrected is (row.text in known)
            assert row.label == known.get(row.text, row.label)
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "1,000 rows were written" in shown(pilot.app, "#notice").replace("\n", " ")
        written = list(stream_records(table.with_name("letters-labelled.csv"), column="text"))
        assert len(written) == 1000
        assert written[3]["label_model"] == "light"
        assert written[3]["from"] == "desk"
        for record in written:
            assert (record["corrected"] == "true") is (record["text"] in known)
            assert record["label"] == known.get(record["text"], record["label_model"])
        assert sum(record["label"] != record["label_model"] for record in written) > 0


async def test_the_column_is_chosen_with_its_first_rows_in_sight(snapshot: Snapshot) -> None:
    Path("odd.jsonl").write_text(
        '{"n": "1", "note": "[bold]not markup[/x]", "said": "the lamp is on"}\n'
        '{"n": "2", "note": null, "said": "شغل أغنية"}\n',
        encoding="utf-8",
    )
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("4")
        await settle(pilot)
        await pilot.press(*"odd", "enter")
        await settle(pilot)
        table = pilot.app.screen.query_one(DataTable)
        assert table.row_count == 2
        await snapshot(pilot)
        await pilot.press("right", "enter")
        await to_results(pilot)
        assert "2 rows" in shown(pilot.app, "#status")


async def test_a_run_pauses_goes_on_and_resumes_where_it_was_stopped(snapshot: Snapshot) -> None:
    make_table(Path("letters.csv"), rows=40)
    model = ScriptedModel(make_manifest(), hold=True)
    async with make_app([found()], model=model).run_test(size=(80, 24)) as pilot:
        await label(pilot, "letters")
        screen = pilot.app.screen
        assert isinstance(screen, LabellingScreen)
        model.pass_one(10)
        await until(pilot, lambda: len(model.asked) == 10)
        await pilot.press("space")
        model.pass_one(1)
        await until(pilot, lambda: "11 of 40" in shown(pilot.app, "#share"))
        assert "Paused" in shown(pilot.app, "#pace")
        await snapshot(pilot)
        await pilot.press("space")
        await until(pilot, lambda: "Going on" in shown(pilot.app, "#pace"))
        await pilot.press("escape")
        model.pass_one(5)
        await pilot.app.workers.wait_for_complete()
        before = len(model.asked)
        assert before < 40

        model.pass_one(100)
        await pilot.press("enter")
        await to_results(pilot)
        assert "40 rows" in shown(pilot.app, "#status")
        assert len(model.asked) <= 40 + 2, "what was labelled before the stop is not done again"


async def test_results_filter_by_label_and_words_and_sort(snapshot: Snapshot) -> None:
    make_table(Path("letters.csv"), rows=60)
    async with make_app([found()]).run_test(size=(120, 40)) as pilot:
        await label(pilot, "letters")
        screen = await to_results(pilot)
        await pilot.press("s")
        await settle(pilot)
        assert "least certain first" in shown(pilot.app, "#status")
        scores = [row.score for row in screen._rows]
        assert scores == sorted(scores)
        await pilot.press("slash", *"song", "enter")
        await settle(pilot)
        assert "10 rows" in shown(pilot.app, "#status")
        assert all("song" in row.text for row in screen._rows)
        await pilot.press("shift+tab", "shift+tab", "down")
        await settle(pilot)
        assert screen.labelled.label == "music"
        await snapshot(pilot)


async def test_review_skips_undoes_and_finds_other_labels(snapshot: Snapshot) -> None:
    make_table(Path("letters.csv"), rows=12)
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await label(pilot, "letters")
        await to_results(pilot)
        await pilot.press("r")
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, ReviewScreen)
        await snapshot(pilot)
        path = places.corrections() / "tiny-intents.csv"
        await pilot.press("s")
        await settle(pilot)
        assert screen.place == 1
        await pilot.press("slash", *"mus", "enter")
        await settle(pilot)
        assert [row.label for row in read_rows(path)] == ["music"]
        await pilot.press("u")
        await settle(pilot)
        assert not path.exists()
        assert screen.place == 1


async def test_a_file_that_cannot_be_read_is_a_sentence() -> None:
    Path("bad.csv").write_bytes(b"text\n" + "schön\n".encode() * 6 + b"caf\xe9\n")
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("4")
        await settle(pilot)
        await pilot.press(*"bad", "enter")
        await settle(pilot)
        assert "a letter after 'caf' cannot be read" in shown(pilot.app, "#notice").replace(
            "\n", " "
        )


async def test_a_file_that_vanishes_and_a_worker_that_dies_can_be_gone_on_with() -> None:
    table = make_table(Path("letters.csv"), rows=20)
    data = table.read_bytes()
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("4")
        await settle(pilot)
        await pilot.press(*"letters", "enter")
        await settle(pilot)
        table.unlink()
        await pilot.press("enter")
        await settle(pilot)
        assert "check the path" in shown(pilot.app, "#notice").replace("\n", " ")
        table.write_bytes(data)
        await pilot.press("r")
        await to_results(pilot)
        assert "20 rows" in shown(pilot.app, "#status")


async def test_the_file_screen_opens_from_a_text_too() -> None:
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ClassifyScreen)
        await pilot.press("ctrl+f")
        await settle(pilot)
        assert isinstance(pilot.app.screen, FileScreen)


@pytest.mark.slow
async def test_a_million_rows_are_shown_by_pages() -> None:
    path = places.private_folder(places.results()) / "many.csv"
    with path.open("w", encoding="utf-8") as stream:
        stream.write("text,label,score,abstained\n")
        stream.writelines(
            f"row {n} says hello,{('heat', 'light')[n % 2]},0.{n % 90 + 10},false\n"
            for n in range(1_000_000)
        )
    index = path.with_name("many.index")
    results.make_index(path, index, column="text")
    asked = results.Results(index)
    assert asked.count() == 1_000_000
    assert [row.number for row in asked.page(results.Query(), offset=999_998, most=5)] == [
        999_999,
        1_000_000,
    ]
    assert asked.by_label() == {"heat": 500_000, "light": 500_000}
    assert len(asked.to_review(500)) == 500

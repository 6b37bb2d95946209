"""Walks in the results: one Esc undoes one thing, and a filter stays where it was put."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from edgekit_tui import results
from edgekit_tui.found import Found
from edgekit_tui.screens.artifacts import ArtifactsScreen
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.screens.results import ResultsScreen
from edgekit_tui.widgets.keybar import KeyBar
from textual.pilot import Pilot
from textual.widgets import DataTable, OptionList

from edgekit.artifact import folder as artifacts
from edgekit.artifact.folder import Artifact
from edgekit.data.rows import read_rows
from tests.tasks.classification.test_familiar import spoken
from tests.tui.scripted import LABELS, ScriptedModel, found, make_app, settle, shown
from tests.tui.test_walk_classify import HINDI
from tests.tui.test_walk_file import label, make_table, to_results


def label_width(screen: ResultsScreen) -> int:
    return list(screen.query_one("#rows", DataTable).columns.values())[1].width


async def filter_by(pilot: Pilot[None], screen: ResultsScreen, name: str) -> None:
    options = screen.query_one("#labels")
    options.focus()
    for _ in range(len(screen._labels)):
        if screen.labelled.label == name:
            break
        await pilot.press("down")
        await settle(pilot)
    assert screen.labelled.label == name


async def test_one_escape_undoes_one_thing() -> None:
    make_table(Path("letters.csv"), rows=60)
    async with make_app([found()]).run_test(size=(100, 30)) as pilot:
        await label(pilot, "letters")
        screen = await to_results(pilot)
        await filter_by(pilot, screen, "music")
        await pilot.press("slash", *"song")
        await settle(pilot)
        assert (screen.labelled.label, screen.labelled.contains) == ("music", "song")
        await pilot.press("escape")
        await settle(pilot)
        assert (screen.labelled.label, screen.labelled.contains) == ("music", "")
        assert not screen.query_one("#find").display
        await pilot.press("escape")
        await settle(pilot)
        assert screen.labelled.label is None
        assert "60 rows" in shown(pilot.app, "#status")
        assert pilot.app.screen is screen
        await pilot.press("escape")
        await settle(pilot)
        assert pilot.app.screen is not screen


async def test_a_filter_keeps_to_its_label_and_the_columns_keep_their_width() -> None:
    make_table(Path("letters.csv"), rows=60)
    async with make_app([found()]).run_test(size=(100, 30)) as pilot:
        await label(pilot, "letters")
        screen = await to_results(pilot)
        width = label_width(screen)
        last = [name for name in screen._labels if name][-1]
        await filter_by(pilot, screen, last)
        for typed in ("song", "lamp", "nothing has this"):
            await pilot.press("slash", *["backspace"] * 20, *typed)
            await settle(pilot)
            assert screen.labelled.label == last
            assert screen._labels[screen.query_one("#labels", OptionList).highlighted] == last
            assert label_width(screen) == width
            assert all(row.label == last for row in screen._rows)


async def test_the_menu_reaches_every_place_from_everywhere() -> None:
    make_table(Path("letters.csv"), rows=6)
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await label(pilot, "letters")
        screen = await to_results(pilot)
        await pilot.press("ctrl+p")
        await settle(pilot)
        await pilot.press(*"artif", "enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ArtifactsScreen)
        await pilot.press("escape")
        await settle(pilot)
        assert pilot.app.screen is screen, "going there loses nothing"


async def test_keys_that_do_not_fit_are_behind_one_that_does() -> None:
    make_table(Path("letters.csv"), rows=6)
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert isinstance(pilot.app.screen, HomeScreen)
        assert "ctrl q Quit" in str(pilot.app.screen.query_one(KeyBar).render())
        await pilot.resize_terminal(44, 24)
        await settle(pilot)
        assert str(pilot.app.screen.query_one(KeyBar).render()).endswith("  ?")
        await pilot.press("2")
        await settle(pilot)
        assert str(pilot.app.screen.query_one(KeyBar).render()).endswith("  f1")


async def test_after_the_last_row_review_says_what_to_do_next() -> None:
    make_table(Path("letters.csv"), rows=3)
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await label(pilot, "letters")
        await to_results(pilot)
        await pilot.press("r")
        await settle(pilot)
        for _ in range(3):
            assert "c Save" not in str(pilot.app.screen.query_one(KeyBar).render())
            await pilot.press("2")
            await settle(pilot)
        text = shown(pilot.app, "#text").replace("\n", " ")
        assert "Nothing is left to review here." in text
        assert "c saves what you corrected as rows to train on." in " ".join(text.split())
        await pilot.press("c")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert len(read_rows(Path("tiny-intents-corrected.csv"))) == 3


async def test_rows_to_doubt_are_marked_and_the_marks_are_explained(tmp_path: Path) -> None:
    """The artifact's folder is real, and its model follows a script."""
    judged = {"artifact": {"by_language": {"en": {"rows": 9}}}}
    folder = spoken(tmp_path / "own", quality=judged, abstain_below=0.6)
    artifact = Artifact(folder, artifacts.read(folder).manifest)
    Path("letters.csv").write_text(f"text\nlamp\nsong and lamp\nodd\n{HINDI}\n", encoding="utf-8")
    app = make_app(
        [Found(folder, "own", artifact, True, 6_100_000_000)],
        model=ScriptedModel(artifact.manifest),
    )
    async with app.run_test(size=(100, 30)) as pilot:
        await label(pilot, "letters")
        screen = await to_results(pilot)
        await settle(pilot)
        table = screen.query_one("#rows", DataTable)
        labels = [str(table.get_row_at(row)[1]) for row in range(4)]
        assert [name.partition(" ")[2] for name in labels] == ["", "?", "?≠", "≠"]
        status = shown(pilot.app, "#status")
        assert "? not sure · ≠ like nothing taught" in status
        assert "the model was not judged in: Hindi (1)." in " ".join(
            shown(pilot.app, "#notice").split()
        )


async def test_an_index_of_an_earlier_app_is_made_anew(tmp_path: Path) -> None:
    labelled, index = tmp_path / "out.jsonl", tmp_path / "out.index"
    labelled.write_text('{"text": "lamp", "label": "light", "score": 0.9, "abstained": false}\n')
    with closing(sqlite3.connect(index)) as database:
        database.executescript("CREATE TABLE result (number INTEGER); PRAGMA user_version = 2;")
    results.renew_index(labelled, index, column="text")
    [row] = results.Results(index).page(results.Query(), offset=0, most=9)
    assert (row.label, row.familiar) == ("light", True)
    before = index.stat().st_mtime_ns
    results.renew_index(labelled, index, column="text")
    assert index.stat().st_mtime_ns == before


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("size", [(80, 24), (44, 20)])
async def test_review_shows_every_label_and_all_of_a_long_text(
    size: tuple[int, int], language: str
) -> None:
    words = {
        "en": "nobody came to repair it for a whole week",
        "ar": "لم يأت أحد لإصلاح المصباح منذ أسبوع",
    }
    text = f"{' '.join([words[language]] * 30)} end."
    Path("letters.csv").write_text(f"text\n{text}\n", encoding="utf-8")
    app = make_app([found()], values={"language": language})
    async with app.run_test(size=size) as pilot:
        await label(pilot, "letters")
        await to_results(pilot)
        await pilot.press("r")
        await settle(pilot)
        screen = pilot.app.screen
        row, choices = screen.query_one("#row"), screen.query_one("#choices")
        status = screen.query_one("#status")
        assert choices.region.height == len(LABELS)
        assert row.region.bottom <= choices.region.y
        assert choices.region.bottom <= status.region.y
        room = status.region.y - row.region.y - len(LABELS)
        assert row.region.height >= room - 4, "no line stays empty while a text is cut"
        for _ in range(30):
            await pilot.press("pagedown")
        await settle(pilot)
        assert row.scroll_y == row.max_scroll_y > 0
        await pilot.press("pageup")
        await settle(pilot)
        assert row.scroll_y < row.max_scroll_y

"""Walks back: results open without labelling again, and what was begun goes on."""

from __future__ import annotations

from pathlib import Path

from edgekit_tui import places, recent
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.screens.labelling import LabellingScreen
from edgekit_tui.screens.recent import RecentScreen
from textual.pilot import Pilot
from textual.widgets import OptionList

from tests.tui.scripted import ScriptedModel, found, make_app, make_manifest, settle, shown, until
from tests.tui.test_walk_file import label, make_table, to_results


async def home(pilot: Pilot[None]) -> None:
    for _ in range(6):
        if isinstance(pilot.app.screen, HomeScreen):
            break
        await pilot.press("escape")
        await settle(pilot)
    assert isinstance(pilot.app.screen, HomeScreen)


async def test_results_open_again_without_a_model_and_can_be_removed() -> None:
    table = make_table(Path("letters.csv"), rows=12)
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert not pilot.app.screen.query_one("#recent").display
        await label(pilot, "letters")
        await to_results(pilot)
        await home(pilot)
        assert "r  Recent: letters.csv" in shown(pilot.app, "#recent")
    model = ScriptedModel(make_manifest())
    async with make_app([found()], model=model).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        await pilot.press("enter")
        await to_results(pilot)
        assert "12 rows" in shown(pilot.app, "#status")
        assert model.asked == []
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RecentScreen)
        await pilot.press("delete")
        await settle(pilot)
        await pilot.press("right", "enter")
        await settle(pilot)
        assert pilot.app.screen.query_one("#recent", OptionList).option_count == 0
        assert "Nothing is kept here." in shown(pilot.app, "#status")
        assert table.exists()
        assert [path.name for path in places.results().iterdir()] == []


async def test_a_file_that_was_begun_says_its_share_and_goes_on() -> None:
    make_table(Path("letters.csv"), rows=40)
    model = ScriptedModel(make_manifest(), hold=True)
    async with make_app([found()], model=model).run_test(size=(80, 24)) as pilot:
        await label(pilot, "letters")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabellingScreen))
        model.pass_one(10)
        await until(pilot, lambda: len(model.asked) == 10)
        await pilot.press("escape")
        model.pass_one(1)
        await pilot.app.workers.wait_for_complete()
        (one,) = recent.every()
        assert 0.2 < one.share < 0.35
        await home(pilot)
        await settle(pilot)
        assert "letters.csv, 2" in shown(pilot.app, "#recent")
        await pilot.press("r")
        await settle(pilot)
        model.pass_one(100)
        await pilot.press("enter")
        await to_results(pilot)
        assert "40 rows" in shown(pilot.app, "#status")
        assert recent.every()[0].whole

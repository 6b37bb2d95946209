"""Walks back: results open without labelling again, and what was begun goes on."""

from __future__ import annotations

from pathlib import Path

from edgekit_tui import last_summary, places, recent, settings
from edgekit_tui.history import ChatSettings
from edgekit_tui.screens.chat import ChatScreen
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.screens.labelling import LabellingScreen
from edgekit_tui.screens.recent import RecentScreen
from edgekit_tui.screens.summarize import SummarizeScreen
from edgekit_tui.screens.summary import SummaryScreen
from edgekit_tui.summarizing import SummaryJob
from textual.pilot import Pilot
from textual.widgets import OptionList, TextArea

from edgekit.data.documents import Document
from tests.tui.scripted import (
    ScriptedModel,
    found,
    found_chat,
    make_app,
    make_chat_manifest,
    make_manifest,
    settle,
    shown,
    until,
)
from tests.tui.scripted_summarizer import ScriptedSummarizer, make_summary_manifest
from tests.tui.test_walk_file import label, make_table, to_results
from tests.tui.test_walk_summarize import TEXT, app_of, to_summary, to_text


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


async def test_the_last_summary_opens_again_above_its_text_after_a_restart() -> None:
    model = ScriptedSummarizer(make_summary_manifest())
    async with app_of(model).run_test(size=(80, 24)) as pilot:
        await to_text(pilot, TEXT)
        first = await to_summary(pilot)
        assert first.made is not None
        wanted = first.made
        await home(pilot)
        await settle(pilot)
        assert "r  Recent: Summary: A text of yours" in shown(pilot.app, "#recent")
    again = ScriptedSummarizer(make_summary_manifest())
    async with app_of(again).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, SummaryScreen))
        await settle(pilot)
        assert pilot.app.screen.made == wanted
        assert "40 litres" in shown(pilot.app, "#passages")
        assert again.asked == [], "nothing is read again"
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(pilot.app.screen, SummarizeScreen)
        assert pilot.app.screen.text == TEXT
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(pilot.app.screen, RecentScreen)
        await pilot.press("delete")
        await settle(pilot)
        await pilot.press("right", "enter")
        await settle(pilot)
        assert last_summary.about() is None
        assert last_summary.read() is None


async def test_a_text_that_was_left_is_there_again_until_it_is_cleared() -> None:
    for _ in range(2):
        app = app_of(ScriptedSummarizer(make_summary_manifest()))
        async with app.run_test(size=(80, 24)) as pilot:
            screen = await to_text(pilot, "" if last_summary.about() else TEXT)
            await until(pilot, lambda: screen.text == TEXT)  # noqa: B023
            assert screen.query_one("#text", TextArea).text == TEXT
            await pilot.press("escape")
            await settle(pilot)
            await until(pilot, lambda: last_summary.about() is not None)
    app = app_of(ScriptedSummarizer(make_summary_manifest()))
    async with app.run_test(size=(80, 24)) as pilot:
        await to_text(pilot)
        await pilot.press("ctrl+l")
        await settle(pilot)
        await pilot.press("escape")
        await settle(pilot)
        assert last_summary.about() is None


async def test_who_keeps_nothing_keeps_no_text() -> None:
    model = ScriptedSummarizer(make_summary_manifest())
    settings.save({**settings.load(), "keep": "0"})
    async with app_of(model).run_test(size=(80, 24)) as pilot:
        await to_text(pilot, TEXT)
        await to_summary(pilot)
        await home(pilot)
    assert last_summary.about() is None


async def test_a_file_with_pages_is_kept_with_them() -> None:
    job = SummaryJob(
        Path("/models/tiny"), Document(TEXT, (0, 80), ("A page has no text.",)), 60, 46,
        "well.pdf", Path("/desk/well.pdf"), Path("/models/chooser"),
    )  # fmt: skip
    last_summary.keep(job)
    assert last_summary.read() == (job, None)
    found = last_summary.about()
    assert found is not None
    assert (found.name, found.words, found.summarized) == ("well.pdf", 46, False)
    whole = places.summaries() / "last.json"
    whole.write_bytes(whole.read_bytes()[:-9])
    assert last_summary.read() is None


async def test_the_last_chat_opens_again_with_its_model_and_can_be_deleted() -> None:
    app = make_app([found(), found_chat()], model=ScriptedModel(make_chat_manifest()))
    app.history.begin("tiny-chat", ChatSettings(), "Which lamp is warm?")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "r  Recent: Chat: Which lamp is warm?" in shown(pilot.app, "#recent")
        await pilot.press("r")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, ChatScreen)
        await until(pilot, lambda: screen.last is not None)
        assert screen.folder == found_chat().folder
        assert screen.chat is not None
        assert screen.chat.title == "Which lamp is warm?"
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("delete")
        await settle(pilot)
        await pilot.press("right", "enter")
        await settle(pilot)
        assert app.history.chats() == []


async def test_a_chat_without_a_model_says_what_to_do() -> None:
    app = make_app([found()])
    app.history.begin("gone", ChatSettings(), "Which lamp is warm?")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "No model that chats is here." in shown(pilot.app, "#notice")

"""Walks with the keyboard alone: from a text to its summary, and to a file of it."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest
from edgekit_tui import models, places
from edgekit_tui.app import EdgekitApp
from edgekit_tui.found import Found
from edgekit_tui.models import Models
from edgekit_tui.screens.document import DocumentScreen
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.screens.summarize import SummarizeScreen
from edgekit_tui.screens.summary import SummaryScreen
from edgekit_tui.widgets.field import MOST_PASTED
from pypdf import PageObject
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import OptionList

from tests.tiny.pdf import pdf
from tests.tiny.summarizer import make_summarizer
from tests.tui.scripted import (
    DEADLY,
    found_chat,
    make_app,
    make_chat_manifest,
    settle,
    shown,
    until,
)
from tests.tui.scripted_summarizer import (
    ScriptedSummarizer,
    found_summarizer,
    make_summary_manifest,
)

Snapshot = Callable[..., Awaitable[None]]
TEXT = (
    "The well in Kisumu gives 40 litres a minute. It was dug in 1998 by the school.\n\n"
    "Since March its pump has failed every week. Two people repair it on Sundays.\n\n"
    "A new pump costs 900 dollars. The parents have collected half of that so far.\n"
)


def app_of(model: ScriptedSummarizer, found: Iterable[Found] = ()) -> EdgekitApp:
    return make_app([*found] or [found_summarizer()], model=model)  # type: ignore[arg-type]


async def to_text(pilot: Pilot[None], text: str = "") -> SummarizeScreen:
    """From Home to the screen, with a text pasted into it."""
    await settle(pilot)
    await pilot.press("enter")
    await settle(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, SummarizeScreen)
    if text:
        await paste(pilot, text)
    return screen


async def paste(pilot: Pilot[None], text: str) -> None:
    pilot.app.post_message(Paste(text))
    await settle(pilot)


async def to_summary(pilot: Pilot[None]) -> SummaryScreen:
    await pilot.press("ctrl+s")
    await until(pilot, lambda: isinstance(pilot.app.screen, SummaryScreen))
    return await made(pilot)


async def made(pilot: Pilot[None]) -> SummaryScreen:
    screen = pilot.app.screen
    assert isinstance(screen, SummaryScreen)
    await until(pilot, lambda: screen.summarizing is None)
    await settle(pilot)
    return screen


async def test_a_pasted_text_is_summarized_copied_and_exported(snapshot: Snapshot) -> None:
    model = ScriptedSummarizer(make_summary_manifest())
    app = app_of(model)
    async with app.run_test(size=(80, 24)) as pilot:
        await to_text(pilot, TEXT)
        assert "46 words · how long it takes here" in shown(app, "#status")
        await pilot.press("tab", "right")
        await to_summary(pilot)
        assert model.asked[0]["words"] == 60, "the artifact's own 30, and the next choice"
        assert app.screen.query_one("#sentences", OptionList).option_count == 3
        assert "40 litres" in shown(app, "#passages")
        assert "3 of 3 parts read · English" in shown(app, "#status")
        await pilot.press("down")
        await pilot.pause()
        passage = shown(app, "#passages")
        assert passage.startswith("IN THE TEXT · after 34% of the text")
        assert "Since March" in passage
        assert "Sundays" in passage, "what stands around it is shown, too"
        await snapshot(pilot)

        await pilot.press("c")
        assert app.clipboard == "The well in Kisumu gives 40 litres a minute. Since March its " \
            "pump has failed every week. A new pump costs 900 dollars."  # fmt: skip
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "was written to" in shown(app, "#notice").replace("\n", " ")
        written = Path("summary.txt").read_text(encoding="utf-8")
        assert "3 of 3 parts read" in written
        assert "after 34% of the text" in written

        await pilot.press("escape")
        await settle(pilot)
        assert app.screen.query_one("#text").text == TEXT, "to be asked differently"  # type: ignore[attr-defined]
        assert "about" in shown(app, "#status"), "the speed is known from the first time"
        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)


async def test_a_file_is_picked_and_its_pages_are_named() -> None:
    pdf(Path("report.pdf"), ["The pump failed again on Monday.", "A new one costs 900 dollars."])
    app = app_of(ScriptedSummarizer(make_summary_manifest()))
    async with app.run_test(size=(80, 24)) as pilot:
        await to_text(pilot)
        await pilot.press("ctrl+f")
        await settle(pilot)
        assert isinstance(app.screen, DocumentScreen)
        await pilot.press(*"repo", "enter")
        await settle(pilot)
        assert "report.pdf" in shown(app, "#beginning")
        assert "2 pages" in shown(app, "#beginning")
        await to_summary(pilot)
        assert "IN THE TEXT · page 1" in shown(app, "#passages")
        await pilot.press("e")
        await settle(pilot)
        await pilot.press(*["backspace"] * 4, *".md", "enter")
        await settle(pilot)
        written = Path("report-summary.md").read_text(encoding="utf-8")
        assert written.startswith("# Summary: report.pdf\n")
        assert "   > The pump failed again on Monday. (page 1)" in written
        await pilot.press("escape", "ctrl+l")
        await settle(pilot)
        assert app.screen.query_one("#text").has_focus, "back to a text of one's own"


async def test_stopped_in_the_middle_it_keeps_what_was_read_and_goes_on(
    snapshot: Snapshot,
) -> None:
    model = ScriptedSummarizer(make_summary_manifest(), hold=True)
    app = app_of(model)
    async with app.run_test(size=(80, 24)) as pilot:
        await to_text(pilot, TEXT)
        await pilot.press("ctrl+s")
        model.pass_one(2)
        await until(pilot, lambda: "2 of 3 parts" in shown(app, "#share"))
        assert "words a second" in shown(app, "#pace")
        await pilot.press("escape")
        screen = await made(pilot)
        assert "it stands on 2 of 3 parts" in shown(app, "#notice")
        assert app.screen.query_one("#sentences", OptionList).option_count == 2
        await snapshot(pilot)
        kept = model.asked[0]["kept"]
        assert kept.parent == places.summaries()
        assert kept.parent.stat().st_mode & 0o777 == places.FOLDER_MODE

        model.pass_one(9)
        await pilot.press("r")
        await made(pilot)
        assert model.asked[1]["kept"] == kept, "what was read before is not read again"
        assert screen.made is not None
        assert not screen.made.summary.cancelled
        assert not screen.query_one("#notice").display


async def test_stopped_before_anything_was_read_there_is_no_summary() -> None:
    model = ScriptedSummarizer(make_summary_manifest(), hold=True)
    app = app_of(model)
    async with app.run_test(size=(80, 24)) as pilot:
        await to_text(pilot, TEXT)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: model.asked)
        await pilot.press("escape")
        await made(pilot)
        assert "too little for a summary" in shown(app, "#notice")
        assert "e Export" not in shown(app, "KeyBar")


async def test_kept_is_nothing_where_nothing_is_to_be_kept() -> None:
    model = ScriptedSummarizer(make_summary_manifest())
    app = make_app([found_summarizer()], model=model, values={"keep": "0"})  # type: ignore[arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        await to_text(pilot, TEXT)
        await to_summary(pilot)
    assert model.asked[0]["kept"] is None
    assert not places.summaries().exists()


async def test_what_a_model_wrote_is_shown_with_what_to_check() -> None:
    """Written sentences stand on those they share words with, or on none."""
    written = ("Kisumu's well gives 40 litres a minute.", "Its roof is blue and cost 777 francs.")
    strange = "The text seems to be in Dholuo."
    model = ScriptedSummarizer(
        make_summary_manifest("seq2seq"), hold=True, written=written, warnings=[strange]
    )
    app = app_of(model, [found_summarizer(engine="seq2seq")])
    async with app.run_test(size=(80, 40)) as pilot:
        await to_text(pilot, TEXT)
        await pilot.press("ctrl+s")
        model.pass_one(3)
        await made(pilot)
        notice = shown(app, "#notice").replace("\n", " ")
        assert "so check: 777" in notice
        assert strange in notice
        assert "The well in Kisumu" in shown(app, "#passages")
        await pilot.press("down")
        await pilot.pause()
        assert "No sentence of the text" in shown(app, "#passages")
        await pilot.press("down")
        await pilot.pause()
        assert strange in shown(app, "#passages"), "also by the keys alone, on a small screen"


@pytest.mark.parametrize("text", ["", "...?!"])
async def test_without_words_there_is_a_hint(text: str) -> None:
    async with app_of(ScriptedSummarizer(make_summary_manifest())).run_test(size=(80, 24)) as pilot:
        await to_text(pilot, text)
        await pilot.press("ctrl+s")
        await settle(pilot)
        assert isinstance(pilot.app.screen, SummarizeScreen)
        assert "no text in it" in shown(pilot.app, "#notice")


async def test_the_pages_of_a_long_file_are_counted_and_ctrl_l_stops_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pdf(Path("long.pdf"), ["A page of text."] * 1200)
    more = threading.Semaphore(0)
    extract = PageObject.extract_text

    def slowly(page: PageObject) -> str:
        more.acquire()
        return extract(page)

    monkeypatch.setattr(PageObject, "extract_text", slowly)
    async with app_of(ScriptedSummarizer(make_summary_manifest())).run_test(size=(80, 24)) as pilot:
        screen = await to_text(pilot)
        screen.take_path(Path("long.pdf"))
        more.release(3)
        await until(pilot, lambda: "long.pdf: page 4 of 1,200" in shown(pilot.app, "#status"))
        await pilot.press("ctrl+l")
        more.release(1)
        await settle(pilot)
        assert screen.read_text is None
        assert shown(pilot.app, "#status").strip() == ""


async def test_files_that_cannot_be_read_are_sentences() -> None:
    pdf(Path("pictures.pdf"), ["", ""])
    pdf(Path("secret.pdf"), ["Secret."], password="x")
    async with app_of(ScriptedSummarizer(make_summary_manifest())).run_test(size=(80, 24)) as pilot:
        screen = await to_text(pilot)
        for name, said in (("pictures", "no text in it"), ("secret", "asks for a password")):
            await pilot.press("ctrl+f")
            await settle(pilot)
            await pilot.press(*name, "enter")
            await settle(pilot)
            assert said in shown(pilot.app, "#notice").replace("\n", " ")
        screen.take_path(Path("gone.txt"))  # it vanished after it was picked
        await settle(pilot)
        assert "check the path" in shown(pilot.app, "#notice").replace("\n", " ")


async def test_a_dead_worker_is_a_message_and_can_be_gone_on_with() -> None:
    model = ScriptedSummarizer(make_summary_manifest())
    async with app_of(model).run_test(size=(80, 24)) as pilot:
        await to_text(pilot, f"{DEADLY} text.")
        await to_summary(pilot)
        assert "ended (SIGKILL)" in shown(pilot.app, "#notice")
        await pilot.press("r")
        await made(pilot)
        assert len(model.asked) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk, as Linux has one")
async def test_a_full_disk_leaves_no_half_of_a_summary() -> None:
    Path("summary.txt.partial").symlink_to("/dev/full")
    async with app_of(ScriptedSummarizer(make_summary_manifest())).run_test(size=(80, 24)) as pilot:
        await to_text(pilot, TEXT)
        await to_summary(pilot)
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "No space left" in shown(pilot.app, "#notice").replace("\n", " ")
        assert [path.name for path in Path.cwd().iterdir()] == []


async def test_a_long_paste_does_not_go_through_the_field() -> None:
    text = TEXT * (MOST_PASTED // len(TEXT) + 1)
    app = app_of(ScriptedSummarizer(make_summary_manifest()))
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await to_text(pilot, text)
        assert screen.read_text is not None
        assert screen.read_text.document.text == text
        assert not app.screen.query_one("#text").display
        assert "The pasted text" in shown(app, "#beginning")


async def test_another_model_may_choose_what_a_chat_model_reads() -> None:
    chat = ScriptedSummarizer(make_chat_manifest(), written=["The well gives 40 litres."])
    chooser = ScriptedSummarizer(make_summary_manifest())
    by_folder = {found_chat().folder: chat, found_summarizer().folder: chooser}
    app = make_app([found_chat(), found_summarizer()])
    app.models = Models(lambda folder, *_: by_folder[folder], clock=app.clock)  # type: ignore[return-value]
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.open_screen("summarize", found_chat().folder)
        await settle(pilot)
        await paste(pilot, TEXT)
        await pilot.press("tab", "down", "right")
        await settle(pilot)
        assert "What matters, faster" in shown(app, "#choices")
        await to_summary(pilot)
        assert chat.asked[0]["effort"] == "fast"
        assert chat.asked[0]["embedder"] is chooser
        assert chooser.closed, "when it has done its work"
        assert not chat.closed
        key = f"{chat.manifest.digest}+{chooser.manifest.digest}"
        assert key in models.known_reading_rates()


async def test_a_real_artifact_summarizes_in_its_worker_process(tmp_path: Path) -> None:
    make_summarizer(tmp_path / "work" / "tiny-summaries")
    Path("letter.txt").write_text(TEXT, encoding="utf-8")
    app = EdgekitApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await to_text(pilot)
        await pilot.press("ctrl+f")
        await settle(pilot)
        await pilot.press(*"letter", "enter")
        await settle(pilot)
        screen = await to_summary(pilot)
        assert screen.made is not None
        assert screen.made.summary.parts_read == screen.made.summary.parts == 1
        assert all(len(those) == 1 for those in screen.made.passages)
    for path in (tmp_path / "data").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path

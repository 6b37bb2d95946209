"""Walks with the keyboard: answers copied, asked for again, continued; files and other models."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from edgekit_tui.models import Models
from edgekit_tui.widgets.turns import MOST_LETTERS, ModelTurn, PersonTurn

from tests.tiny.pdf import pdf
from tests.tui.chat_walking import SMALL, WHOLE, answered, kept, open_chat, press, say, written
from tests.tui.scripted import (
    DEADLY,
    ScriptedModel,
    found,
    found_chat,
    make_app,
    make_chat_manifest,
    seen,
    settle,
    shown,
    until,
)

Snapshot = Callable[..., Awaitable[None]]


async def test_the_last_answer_is_copied() -> None:
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        await press(pilot, "ctrl+b")
        assert not app.clipboard, "there is no answer yet"
        await say(pilot, "hello")
        await press(pilot, "ctrl+b")
        assert app.clipboard == WHOLE
        assert "in the clipboard" in shown(app, "#notice")


async def test_another_answer_takes_the_place_of_the_last_once_it_has_a_word() -> None:
    model = ScriptedModel(make_chat_manifest())
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await say(pilot, "hello")
        model.reply = ()
        await press(pilot, "ctrl+l")
        assert "said nothing" in shown(app, "#notice")
        assert "warm light" in seen(app), "nothing takes the place of nothing"
        model.reply = ("Other ", "words")
        await press(pilot, "ctrl+l")
        assert model.sent[-1] == model.sent[0]
        assert "Other words" in seen(app)
        assert "warm light" not in seen(app)
        assert len(screen.query(ModelTurn)) == 1
    assert kept() == [("hello", ""), ("Other words", "stop")]


async def test_an_answer_that_failed_is_asked_for_again() -> None:
    model = ScriptedModel(make_chat_manifest())
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        model.reply = (DEADLY,)
        await say(pilot, "hello")
        assert "SIGKILL" in shown(app, "#notice")
        model.reply = ("There",)
        await press(pilot, "ctrl+l")
    assert kept() == [("hello", ""), ("There", "stop")]


async def test_a_cut_answer_goes_on_in_its_place() -> None:
    model = ScriptedModel(make_chat_manifest(), hold=True)
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await pilot.press(*"hello", "enter")
        model.pass_one(2)
        await until(pilot, lambda: "Lamps give" in seen(app))
        await press(pilot, "escape")
        assert kept()[-1] == ("**Lamps** give ", "cancelled")
        model.reply = ("light", ".")
        model.pass_one(99)
        await press(pilot, "ctrl+g")
        assert model.begun == ["", "**Lamps** give "]
        assert model.sent[1] == [{"role": "user", "content": "hello"}]
        assert "Lamps give light." in seen(app)
        assert "(stopped)" not in seen(app)
        assert len(screen.query(ModelTurn)) == 1
        await press(pilot, "ctrl+g")
        assert len(model.sent) == 2, "it has come to its end"
    assert kept() == [("hello", ""), ("**Lamps** give light.", "stop")]


async def test_a_file_goes_into_the_message_as_far_as_it_fits(snapshot: Snapshot) -> None:
    Path("short.txt").write_text("The well gives water.\n", encoding="utf-8")
    pages = [f"Page {number} says that the well gives water every day." for number in range(9)]
    pdf(Path("long.pdf"), pages)
    # 60 words: 15 for the answer, 7 for the question.
    model = ScriptedModel(make_chat_manifest(max_tokens=60))
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await press(pilot, *"so", "ctrl+f", *"short", "enter")
        await settle(pilot)
        assert "All of short.txt is in your message" in shown(app, "#notice")
        assert written(screen) == "short.txt:\n\nThe well gives water.\n\nso"
        await press(pilot, "ctrl+a", *["backspace"] * 2, "enter")
        assert model.sent[0][0]["content"].startswith("short.txt:")
        await press(pilot, "ctrl+n", "ctrl+f", *"long", "enter")
        await settle(pilot)
        notice = " ".join(shown(app, "#notice").split())
        assert "of long.pdf is in your message, up to page 3" in notice
        assert written(screen).count("every day.") == 3, "whole sentences"
        await snapshot(pilot)
        await press(pilot, "enter")
        assert "What now?" not in seen(app), "there is room for the answer"
        await press(pilot, "ctrl+f", *"long", "enter")
        await settle(pilot)
        assert "no room for a sentence of long.pdf" in " ".join(shown(app, "#notice").split())


async def test_a_long_message_is_shown_with_its_beginning_and_its_end() -> None:
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=(80, 60)) as pilot:
        screen = await open_chat(pilot)
        screen._send("Beginning. " + "word " * MOST_LETTERS + "The end?")
        await answered(pilot)
        turn = screen.query_one(PersonTurn)
        text = "\n".join(turn.render_line(y).text for y in range(turn.size.height))
        assert "Beginning." in text
        assert "The end?" in text
        assert "words are not shown" in text
    assert len(kept()[0][0]) > 5 * MOST_LETTERS, "all of it is kept, and was sent"


async def test_the_model_changes_within_a_chat() -> None:
    other = found_chat(Path("/models/other"), name="other-chat")
    assert other.artifact is not None
    models = {
        found_chat().folder: ScriptedModel(make_chat_manifest()),
        other.folder: ScriptedModel(other.artifact.manifest),
    }
    app = make_app([found_chat(), other, found()])
    app.models = Models(lambda folder, *_: models[folder], clock=app.clock)
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        await say(pilot, "hello")
        await press(pilot, "ctrl+s", "tab")
        assert "tiny-chat" in shown(app, "#settings")
        await press(pilot, "right")
        assert "other-chat" in shown(app, "#settings")
        await press(pilot, "escape")
        assert "other-chat answers from now on" in shown(app, "#notice")
        assert models[found_chat().folder].closed
        await say(pilot, "and")
        sent = models[other.folder].sent[0]
        assert [message["content"] for message in sent] == ["hello", WHOLE, "and"]
        assert "other-chat" in shown(app, "#crumbs") or "other-chat" in seen(app)
        await press(pilot, "ctrl+t")
        assert "other-chat" in seen(app)

"""Walks with the keyboard alone: a chat is had, stopped, asked differently; the ways out of it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from edgekit_tui import answering, database, places
from edgekit_tui.answering import Answering
from edgekit_tui.app import EdgekitApp
from edgekit_tui.history import ChatSettings, History
from edgekit_tui.screens.chat_settings import ChatSettingsScreen
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.widgets.composer import Composer
from edgekit_tui.widgets.turns import ModelTurn, PersonTurn
from edgekit_tui.widgets.ways_out import WaysOut
from textual.events import Key
from textual.pilot import Pilot

from tests.tui.chat_walking import SMALL, WHOLE, answered, kept, open_chat, press, say, written
from tests.tui.scripted import (
    DEADLY,
    ScriptedModel,
    found_chat,
    make_app,
    make_chat_manifest,
    seen,
    shown,
    until,
)

Snapshot = Callable[[Pilot[None]], Awaitable[None]]


async def test_a_question_is_answered_in_markdown_and_kept(snapshot: Snapshot) -> None:
    model = ScriptedModel(make_chat_manifest())
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await press(pilot, *"so", "ctrl+j", *"what", "enter")
        assert "Lamps give light" in seen(app)
        assert "• warm light" in seen(app)
        assert model.sent == [[{"role": "user", "content": "so\nwhat"}]]
        await say(pilot, "and then")
        assert [message["content"] for message in model.sent[1]] == ["so\nwhat", WHOLE, "and then"]
        assert written(screen) == ""
        assert "125 words a second" in shown(app, "#status")
        await snapshot(pilot)
        await press(pilot, "escape")
        assert isinstance(app.screen, HomeScreen)
    assert kept() == [("so\nwhat", ""), (WHOLE, "stop"), ("and then", ""), (WHOLE, "stop")]
    assert model.closed


async def test_keys_that_come_faster_than_they_are_read_are_sent_whole() -> None:
    model = ScriptedModel(make_chat_manifest())
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        for letter in "how are lamps made":
            app.post_message(Key("space" if letter == " " else letter, letter))
        app.post_message(Key("enter", "\r"))
        await answered(pilot)
        assert model.sent == [[{"role": "user", "content": "how are lamps made"}]]
        assert written(screen) == ""


async def test_esc_stops_an_answer_and_keeps_what_was_said() -> None:
    model = ScriptedModel(make_chat_manifest(), hold=True)
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await pilot.press(*"hello", "enter")
        model.pass_one(2)
        await until(pilot, lambda: "Lamps give" in seen(app))
        await pilot.press(*"more", "enter")
        assert "Press esc to stop" in shown(app, "#notice"), "one answer at a time"
        await press(pilot, "escape")
        assert "(stopped)" in seen(app)
        assert app.screen is screen, "the first Esc stops the answer alone"
        assert written(screen) == "more", "what was written meanwhile stays"
        await press(pilot, "escape")
        assert isinstance(app.screen, HomeScreen)
    assert kept() == [("hello", ""), ("**Lamps** give ", "cancelled")]


async def test_an_answer_that_begins_with_a_stop_leaves_no_turn() -> None:
    model = ScriptedModel(make_chat_manifest(), hold=True)
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await pilot.press(*"hello", "enter")
        await until(pilot, lambda: screen.answering is not None)
        await press(pilot, "escape")
        assert not screen.query(ModelTurn)
        assert "said nothing" in shown(app, "#notice")
        model.pass_one(99)
        await say(pilot, "still there")
        assert model.sent[-1] == [{"role": "user", "content": "hello\n\nstill there"}]


def test_a_stop_before_the_model_was_asked_holds() -> None:
    history = History(None)
    asked = Answering(history, history.begin("tiny-chat", ChatSettings(), "hello"))
    asked.stop()
    assert asked.run(ScriptedModel(make_chat_manifest())).turn is None


async def test_leaving_in_the_middle_keeps_what_was_said() -> None:
    model = ScriptedModel(make_chat_manifest(), hold=True)
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        await pilot.press(*"hello", "enter")
        model.pass_one(3)
        await until(pilot, lambda: "light" in seen(app))
    # As asyncio.run does when the app has ended: the thread that answers keeps what was said.
    await asyncio.get_running_loop().shutdown_default_executor()
    assert kept() == [("hello", ""), ("**Lamps** give light:\n", "cancelled")]


async def test_an_answer_is_kept_while_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.01)
    # Long enough for the test to look at what the app is just making.
    monkeypatch.setattr(database, "LOCK_SECONDS", 1.0)
    model = ScriptedModel(make_chat_manifest(), hold=True)
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        await pilot.press(*"hello", "enter")
        model.pass_one(2)
        await until(pilot, lambda: kept()[1:] == [("**Lamps** give ", "")])
        other = sqlite3.connect(places.history_file())
        other.execute("BEGIN IMMEDIATE")
        model.pass_one()
        await until(pilot, lambda: "another program holds" in seen(app))
        other.rollback()
        other.close()
        model.pass_one(99)
        await answered(pilot)
    assert kept() == [("hello", ""), (WHOLE, "stop")]


async def test_enter_pressed_twice_sends_once() -> None:
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await say(pilot, "first")
        other = sqlite3.connect(places.history_file())
        other.execute("BEGIN IMMEDIATE")  # a slow disk
        for _ in range(2):
            screen.post_message(Composer.Sent("once"))
            await until(pilot, lambda: any(work.is_running for work in screen.workers))
        other.rollback()
        other.close()
        await answered(pilot)
    assert [text for text, _ in kept()] == ["first", WHOLE, "once", WHOLE]


async def test_a_message_is_taken_back_changed_and_sent_again(snapshot: Snapshot) -> None:
    model = ScriptedModel(make_chat_manifest())
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await say(pilot, "one")
        await say(pilot, "two")
        await press(pilot, *"draft", "ctrl+r")
        assert written(screen) == "two"
        await snapshot(pilot)
        await press(pilot, "ctrl+r")
        assert written(screen) == "one"
        await press(pilot, "escape")
        assert written(screen) == "draft", "Esc leaves all as it was"
        assert len(kept()) == 4
        await press(pilot, "ctrl+r", "ctrl+r", "!", "enter")
        assert written(screen) == "draft"
        assert len(screen.query(PersonTurn)) == 1
        assert model.sent[-1] == [{"role": "user", "content": "one!"}]
    assert [text for text, _ in kept()] == ["one!", WHOLE]


async def test_a_chat_has_settings_of_its_own(snapshot: Snapshot) -> None:
    model = ScriptedModel(make_chat_manifest())
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await press(pilot, "ctrl+s")
        assert isinstance(app.screen, ChatSettingsScreen)
        await press(pilot, *"Be", "space", *"brief", "tab", "right", "down", "right")
        await snapshot(pilot)
        await press(pilot, "escape")
        await say(pilot, "hello")
        assert model.sent[0][0] == {"role": "system", "content": "Be brief"}
        assert screen.settings == ChatSettings("Be brief", 0.0, 100)
        await press(pilot, "ctrl+s", "tab", "right", "escape")
        await press(pilot, "ctrl+n")
        assert screen.settings == ChatSettings()
        await press(pilot, "ctrl+t", "enter")
        assert screen.settings == ChatSettings("Be brief", 0.7, 100)


@pytest.mark.parametrize("way", ["drop", "new", "shorten"])
async def test_there_is_a_way_out_of_a_full_context(way: str, snapshot: Snapshot) -> None:
    model = ScriptedModel(make_chat_manifest(max_tokens=20))
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await say(pilot, "one")
        await say(pilot, "two")
        await say(pilot, "three")
        ways = screen.query_one(WaysOut)
        assert ways.display
        assert "longer than the model can read" in shown(app, "#notice")
        if way == "drop":
            await snapshot(pilot)
            await press(pilot, "enter")
            assert "old turns left out: 2" in shown(app, "#status")
            assert [one["content"] for one in model.sent[-1]][-1] == "three"
            assert len(screen.query(PersonTurn)) == 3, "what the model is not shown stays"
        elif way == "new":
            await press(pilot, "tab", "enter")
            assert model.sent[-1] == [{"role": "user", "content": "three"}]
            assert [text for text, _ in kept("one")][-1] == "three", "it stays in the old one"
        else:
            await press(pilot, "tab", "tab", "enter")
            assert written(screen) == "three"
            assert screen.query_one(Composer).has_focus
        assert not ways.display


async def test_a_message_that_alone_is_too_long_can_be_shortened() -> None:
    model = ScriptedModel(make_chat_manifest(max_tokens=3))
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await say(pilot, "one two three four")
        offered = [button.id for button in screen.query("WaysOut Button") if button.display]
        assert offered == ["shorten"], "the other ways lead nowhere"


async def test_a_dead_worker_is_a_message_and_what_it_said_is_kept() -> None:
    model = ScriptedModel(make_chat_manifest())
    model.reply = ("half ", "a ", DEADLY)
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        await say(pilot, "hello")
        assert "ended (SIGKILL)" in shown(app, "#notice")
        assert "half a" in seen(app)
        await until(pilot, lambda: "(cut off)" in seen(app))
        assert kept() == [("hello", ""), ("half a ", "")]
        model.reply = ("whole",)
        await press(pilot, "ctrl+r", "enter")
        assert "whole" in seen(app)
        assert not app.screen.query_one("#notice").display
    assert kept() == [("hello", ""), ("whole", "stop")]


@pytest.mark.slow
async def test_a_real_model_chats_from_its_worker_process(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.tiny.chat_artifact import make_chat_artifact, tiny_gguf  # torch: not for the others

    make_chat_artifact(tmp_path / "work" / "tiny-chat-gguf", tiny_gguf(tmp_path_factory))
    async with EdgekitApp().run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        screen.take_settings(ChatSettings(max_tokens=12, temperature=0.0))
        await say(pilot, "hello")
        assert "of its memory is full" in shown(pilot.app, "#status")
        assert "(cut: as long as was asked for)" in seen(pilot.app)
    assert kept()[1][1] == "max_tokens"
    assert kept()[1][0]

"""Walks with the keyboard alone: chats are found, renamed, deleted, shared, kept or not kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from edgekit_tui import database, places, settings
from edgekit_tui.history import MOST_FOUND, ChatSettings, History
from edgekit_tui.screens.chats import ChatsScreen
from edgekit_tui.widgets.turns import MOST_SHOWN, PAGE, PersonTurn, Turns
from textual.pilot import Pilot
from textual.widgets import OptionList

from tests.tui.chat_walking import SMALL, WHOLE, answered, kept, open_chat, press, say, written
from tests.tui.scripted import (
    ScriptedModel,
    found_chat,
    make_app,
    make_chat_manifest,
    seen,
    shown,
    until,
)

Snapshot = Callable[[Pilot[None]], Awaitable[None]]


async def test_chats_are_found_renamed_copied_exported_and_deleted(snapshot: Snapshot) -> None:
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await say(pilot, "the red house")
        await press(pilot, "ctrl+n")
        assert not screen.query(PersonTurn)
        await say(pilot, "the blue house")
        await press(pilot, "ctrl+t")
        assert isinstance(app.screen, ChatsScreen)
        options = app.screen.query_one("#chats", OptionList)
        assert options.option_count == 2
        await press(pilot, "slash", *"red")
        assert options.option_count == 1
        await press(pilot, "enter", "r", *"dish", "enter")
        assert "dish" in seen(app)
        await press(pilot, "k")
        assert options.option_count == 2
        assert "dish (copy)" in seen(app)
        await snapshot(pilot)
        await press(pilot, "d", "left", "enter")
        assert options.option_count == 1
        await press(pilot, "x", "enter")
        assert "dish.md" in shown(app, "#notice").replace("\n", "")
        await press(pilot, "enter")
        assert app.screen is screen
        assert "the red house" in seen(app)
        assert "blue" not in seen(app)
    text = Path("dish.md").read_text(encoding="utf-8")
    assert f"**Model:**\n\n{WHOLE}" in text


async def test_the_chat_that_is_open_can_be_deleted() -> None:
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await say(pilot, "the red house")
        await press(pilot, "ctrl+t", "d", "left", "enter", "escape")
        assert app.screen is screen
        assert "was deleted" in shown(app, "#notice")
        assert screen.chat is None
        await say(pilot, "anew")
    assert kept()[0][0] == "anew"


async def test_only_a_window_of_a_long_chat_is_read_and_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history = History(places.history_file())
    chat = history.begin("tiny-chat", ChatSettings(drop_oldest=True), "turn 0")
    with history._database.writing() as connection:
        connection.executemany(
            "INSERT INTO turn (chat, role, text, ended, tokens) VALUES (?, ?, ?, 'stop', 7)",
            ((chat.id, ("user", "assistant")[n % 2], f"turn {n}") for n in range(1, 10_000)),
        )
    read: list[int] = []
    turns_of = History.turns

    def counted(*given: object, **settings: object) -> object:
        found = turns_of(*given, **settings)  # type: ignore[arg-type]
        read.append(len(found))
        return found

    monkeypatch.setattr(History, "turns", counted)
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await press(pilot, "ctrl+t", "enter")
        assert read == [PAGE]
        turns = screen.query_one(Turns)
        assert len(turns.shown) == PAGE
        assert "turn 9999" in seen(app)
        while turns.later == 0:
            turns.scroll_home(animate=False)
            await pilot.pause()
            await press(pilot, "pageup")
            assert len(turns.shown) <= MOST_SHOWN
        assert (turns.earlier, turns.later) == (9940, 20)
        assert "turn 9960" in seen(app), "the place stays in sight"
        turns.scroll_home(animate=False)
        await pilot.pause()
        turns.page(-1)
        turns.page(-1)
        await answered(pilot)
        numbers = [int(str(turn.turn)) for turn in turns.shown]
        assert numbers == list(range(numbers[0], numbers[0] + MOST_SHOWN)), "none twice"
        await say(pilot, "new")
        assert "Lamps give" in seen(app), "what is new is shown at the end"
        assert turns.later == 0
        assert sum(read[:-1]) < 200


async def test_older_chats_are_not_left_out_in_silence() -> None:
    history = History(places.history_file())
    for number in range(MOST_FOUND + 1):
        history.begin("tiny-chat", ChatSettings(), f"chat {number}")
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        await press(pilot, "ctrl+t")
        assert "older ones are found by a search" in shown(app, "#status")
        await press(pilot, "slash", *"chat", "space", "0")
        assert "older" not in shown(app, "#status")


async def test_two_apps_share_one_chat() -> None:
    first, second = (
        make_app([found_chat()], model=ScriptedModel(make_chat_manifest())) for _ in range(2)
    )
    async with first.run_test(size=SMALL) as here, second.run_test(size=SMALL) as there:
        await open_chat(here)
        await say(here, "from here")
        await open_chat(there)
        await press(there, "ctrl+t", "enter")
        await say(there, "from there")
        await say(here, "again")
        # What the other app added is shown.
        await until(here, lambda: "from there" in seen(first))
    assert [text for text, _ in kept()][::2] == ["from here", "from there", "again"]


async def test_a_locked_history_is_a_sentence_and_the_message_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.05)
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await say(pilot, "first")
        other = sqlite3.connect(places.history_file())
        other.execute("BEGIN IMMEDIATE")
        await say(pilot, "second")
        assert "another program holds this file" in shown(app, "#notice").replace("\n  ", " ")
        assert written(screen) == "second"
        assert len(screen.query(PersonTurn)) == 1, "what is not kept is not shown as said"
        other.rollback()
        other.close()
        await press(pilot, "enter")
        assert not screen.query_one("#notice").display
    assert [text for text, _ in kept()] == ["first", WHOLE, "second", WHOLE]


async def test_a_damaged_history_is_a_sentence() -> None:
    places.write_private(places.history_file(), b"not a database" * 100)
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        await say(pilot, "hello")
        assert "move it to another place" in shown(app, "#notice").replace("\n", " ")
        assert written(screen) == "hello"
        await press(pilot, "ctrl+t")
        assert "move it to another place" in shown(app, "#notice").replace("\n", " ")


async def test_with_keep_nothing_no_letter_is_written() -> None:
    History(places.history_file()).begin("tiny-chat", ChatSettings(), "kept before")
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()), values={"chats": "0"})
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        await say(pilot, "xylophone")
        assert "nothing is kept" in shown(app, "#status")
        await press(pilot, "ctrl+t")
        assert app.screen.query_one("#chats", OptionList).option_count == 1
    for path in places.home().rglob("*"):
        if path.is_file():
            assert b"xylophone" not in path.read_bytes(), path
            assert b"kept before" not in path.read_bytes(), path


async def test_keep_nothing_is_true_at_once_and_forgets_only_at_the_end() -> None:
    app = make_app([found_chat()], model=ScriptedModel(make_chat_manifest()))
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        await say(pilot, "before")
        await press(pilot, "escape", "comma", "end", "left")
        assert settings.load()["chats"] == "0"
        assert kept()[0] == ("before", ""), "the next key may choose otherwise"
        await press(pilot, "escape", "enter")
        await say(pilot, "secret")
        assert kept()[0] == ("before", "")
    assert History(places.history_file()).chats() == []

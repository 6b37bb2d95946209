"""Walks with the keyboard alone: a chat is had, stopped, asked differently, found again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from edgekit_tui import answering, database, places, settings
from edgekit_tui.answering import Answering
from edgekit_tui.app import EdgekitApp
from edgekit_tui.history import MOST_FOUND, ChatSettings, History, Turn
from edgekit_tui.screens.chat import ChatScreen
from edgekit_tui.screens.chat_settings import ChatSettingsScreen
from edgekit_tui.screens.chats import ChatsScreen
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.text import clean
from edgekit_tui.widgets.composer import Composer
from edgekit_tui.widgets.turns import MOST_SHOWN, PAGE, ModelTurn, PersonTurn, Turns
from edgekit_tui.widgets.ways_out import WaysOut
from hostile import HOSTILE
from scripted import (
    DEADLY,
    ScriptedModel,
    found_chat,
    make_app,
    make_chat_manifest,
    seen,
    settle,
    shown,
    until,
)
from textual.app import App
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Markdown, OptionList

Snapshot = Callable[[Pilot[None]], Awaitable[None]]
SMALL = (80, 24)


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await answered(pilot)


async def say(pilot: Pilot[None], text: str) -> None:
    """Types it, sends it and waits for the whole answer."""
    await press(pilot, *("space" if letter == " " else letter for letter in text), "enter")


async def answered(pilot: Pilot[None]) -> None:
    await settle(pilot)
    while getattr(pilot.app.screen, "answering", None) is not None:
        await settle(pilot)


async def open_chat(pilot: Pilot[None]) -> ChatScreen:
    await settle(pilot)
    await press(pilot, "enter")
    screen = pilot.app.screen
    assert isinstance(screen, ChatScreen)
    return screen


def written(screen: ChatScreen) -> str:
    return screen.query_one(Composer).text


def kept(title: str = "") -> list[tuple[str, str]]:
    """What another app reads of the last chat, or of the one with this title."""
    history = History(places.history_file())
    chat = next(chat for chat in history.chats() if not title or chat.title == title)
    return [(turn.text, turn.ended) for turn in history.turns(chat.id, most=None)]


WHOLE = "**Lamps** give light:\n\n- warm light\n- cold light\n"


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
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.05)
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
        assert "(cut off)" in seen(app)
        assert kept() == [("hello", ""), ("half a ", "")]
        model.reply = ("whole",)
        await press(pilot, "ctrl+r", "enter")
        assert "whole" in seen(app)
        assert not app.screen.query_one("#notice").display
    assert kept() == [("hello", ""), ("whole", "stop")]


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
        assert "from there" in seen(first), "what the other app added is shown"
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


async def test_no_answer_commands_the_terminal_however_it_is_cut() -> None:
    async with App[None]().run_test(size=(40, 100)) as pilot:
        for text in HOSTILE:
            turn = ModelTurn()
            await pilot.app.mount(turn)
            for end in (1, 2, 3, len(text) // 2, len(text) - 1, len(text)):
                await turn.grow(f"before {text[:end]}")
            assert turn.query_one(Markdown).source == clean(f"before {text}")
        await pilot.pause()
        assert seen(pilot.app).count("before") == len(HOSTILE)
        assert "SECRET" not in seen(pilot.app)


async def test_html_is_shown_as_it_was_written_and_links_lead_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    model = ScriptedModel(make_chat_manifest())
    model.reply = ("<div>\nshown\n</div>\n\n", "and <b>this</b> [too](http://x.invalid)")
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=SMALL) as pilot:
        await open_chat(pilot)
        monkeypatch.setattr(app, "open_url", opened.append)
        await say(pilot, "hello")
        assert "<div>" in seen(app)
        assert "<b>this</b>" in seen(app)
        lines = seen(app).splitlines()
        row = next(row for row, line in enumerate(lines) if "<b>" in line)
        await pilot.click(offset=(lines[row].index("too") + 1, row))
        await settle(pilot)
    assert opened == [], "nothing leaves this computer"


async def test_an_answer_looks_as_if_it_had_come_at_once() -> None:
    text = "1. one\n2. two\n   - deep\n\n> said\n> more\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n# End"
    turn = Turn(1, "assistant", text, "stop")
    async with App[None]().run_test(size=(40, 60)) as pilot:
        grown, whole = ModelTurn(), ModelTurn(turn)
        await pilot.app.mount_all([grown, whole])
        for end in range(0, len(text), 3):
            await grown.grow(text[:end])
        await grown.grow("of another beginning")
        assert grown.query_one(Markdown).source == "of another beginning"
        await grown.finish(turn)
        await pilot.pause()
        lines = seen(pilot.app).rstrip().splitlines()
        assert grown.size == whole.size
        height = grown.size.height
        assert lines[:height] == [*lines[height:], *[""] * (2 * height - len(lines))]


@pytest.mark.slow
async def test_a_real_model_chats_from_its_worker_process(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tiny_chat_artifact import make_chat_artifact, tiny_gguf  # torch: not for the others

    make_chat_artifact(tmp_path / "work" / "tiny-chat-gguf", tiny_gguf(tmp_path_factory))
    async with EdgekitApp().run_test(size=SMALL) as pilot:
        screen = await open_chat(pilot)
        screen.take_settings(ChatSettings(max_tokens=12, temperature=0.0))
        await say(pilot, "hello")
        assert "of its memory is full" in shown(pilot.app, "#status")
        assert "(cut: as long as was asked for)" in seen(pilot.app)
    assert kept()[1][1] == "max_tokens"
    assert kept()[1][0]

"""Walks with the keyboard alone: a chat is had, stopped, asked differently, found again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from edgekit_tui.screens.chat import ChatScreen
from edgekit_tui.screens.home import HomeScreen
from scripted import (
    ScriptedModel,
    found_chat,
    make_app,
    make_chat_manifest,
    seen,
    settle,
    shown,
    until,
)
from textual.pilot import Pilot

Snapshot = Callable[[Pilot[None]], Awaitable[None]]


async def say(pilot: Pilot[None], text: str) -> None:
    """Types it, sends it and waits for the whole answer."""
    await pilot.press(*("space" if letter == " " else letter for letter in text), "enter")
    await answered(pilot)


async def answered(pilot: Pilot[None]) -> None:
    await settle(pilot)
    await until(pilot, lambda: pilot.app.screen.answering is None)  # type: ignore[attr-defined]
    await settle(pilot)


async def open_chat(pilot: Pilot[None]) -> ChatScreen:
    await settle(pilot)
    await pilot.press("enter")
    await settle(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, ChatScreen)
    return screen


async def test_a_question_is_answered_in_markdown_and_kept(snapshot: Snapshot) -> None:
    model = ScriptedModel(make_chat_manifest())
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_chat(pilot)
        await say(pilot, "what do lamps do")
        assert "Lamps give light" in seen(app)
        assert model.sent == [[{"role": "user", "content": "what do lamps do"}]]
        assert "0%" in shown(app, "#status")
        await snapshot(pilot)
        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)

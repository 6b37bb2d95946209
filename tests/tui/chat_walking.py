"""What the walks through chats share: keys, answers waited for, what another app reads."""

from __future__ import annotations

from edgekit_tui import places
from edgekit_tui.history import History
from edgekit_tui.screens.chat import ChatScreen
from edgekit_tui.widgets.composer import Composer
from textual.pilot import Pilot

from tests.tui.scripted import settle

SMALL = (80, 24)
WHOLE = "**Lamps** give light:\n\n- warm light\n- cold light\n"


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

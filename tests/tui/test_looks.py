"""How the app looks in each theme, size and script; also where there is hardly any room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from edgekit_tui import i18n
from edgekit_tui.history import ChatSettings
from edgekit_tui.screens.results import ResultsScreen
from edgekit_tui.widgets.turns import ModelTurn
from textual.pilot import Pilot

from tests.tui.scripted import (
    ScriptedModel,
    found,
    found_chat,
    make_app,
    make_chat_manifest,
    settle,
    shown,
    until,
)

Snapshot = Callable[..., Awaitable[None]]
SMALL, LARGE, TINY = (80, 24), (120, 40), (40, 12)


@pytest.fixture(autouse=True)
def _english_afterwards() -> Iterator[None]:
    yield
    i18n.choose("en")


@pytest.mark.parametrize(
    ("language", "theme"),
    [
        ("en", "dark"), ("en", "light"), ("en", "contrast"), ("en", "plain"),
        ("ar", "dark"), ("ar", "plain"), ("zh", "dark"), ("hi", "dark"),
    ],
)  # fmt: skip
async def test_home(language: str, theme: str, snapshot: Snapshot) -> None:
    values = {"theme": theme, "language": language, "direction": "app"}
    async with make_app([found()], values=values).run_test(size=SMALL) as pilot:
        await settle(pilot)
        await snapshot(pilot)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "the lamp, please"),
        ("ar", "أطفئ lamp في المطبخ"),
        ("zh", "关灯 lamp"),
        ("hi", "बत्ती lamp जलाओ"),
    ],
    ids=["en", "ar", "zh", "hi"],
)
@pytest.mark.parametrize("size", [SMALL, LARGE, TINY], ids=["small", "large", "tiny"])
async def test_classify(
    language: str, text: str, size: tuple[int, int], snapshot: Snapshot
) -> None:
    values = {"language": language, "direction": "app", "theme": "light"}
    async with make_app([found()], values=values).run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        pilot.app.screen.query_one("#text").text = text  # type: ignore[attr-defined]
        await pilot.pause()
        await settle(pilot)
        assert shown(pilot.app, "#scores").splitlines()[0].startswith("light")
        await snapshot(pilot)


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ("Why do lamps shine?", "Because a **wire** is hot.\n\n```py\nlamp.on()\n```")),
        ("ar", ("لماذا تضيء lamp؟", "لأن **السلك** ساخن:\n\n1. كهرباء\n2. حرارة")),
        ("zh", ("灯为什么会亮？", "因为**灯丝**很热。\n\n| 词 | 义 |\n|---|---|\n| 灯 | lamp |")),
        ("hi", ("बत्ती क्यों जलती है?", "क्योंकि **तार** गरम है।\n\n> उद्धरण")),
    ],
    ids=["en", "ar", "zh", "hi"],
)
@pytest.mark.parametrize("size", [SMALL, LARGE, TINY], ids=["small", "large", "tiny"])
async def test_chat(
    language: str, texts: tuple[str, str], size: tuple[int, int], snapshot: Snapshot
) -> None:
    values = {"language": language, "direction": "app", "theme": "light"}
    model = ScriptedModel(make_chat_manifest())
    app = make_app([found_chat()], model=model, values=values)
    chat = app.history.begin("tiny-chat", ChatSettings(), texts[0])
    app.history.answer(chat.id, texts[1], turn=None, ended="max_tokens", tokens=512)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("enter", "ctrl+t")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert len(app.screen.query(ModelTurn)) == 1
        await snapshot(pilot)


# From one screen to the next by keys, Home first; a name stands where a picture is taken.
WALK = (
    "question_mark", "help", "escape",
    "4", "file", *"letters", "enter", "column", "enter", "", "results",
    "e", "export", "escape", "r", "review", "escape", "escape", "escape", "escape",
    "1", "ctrl+t", "chats", "escape", "ctrl+s", "chat-settings", "escape", "escape",
    "a", "artifacts", "enter", "artifact", "escape", "i", "import", "escape", "escape",
    "s", "samples", "escape", "b", "build", "escape", "comma", "f", "folder",
)  # fmt: skip
PICTURES = (
    "help", "file", "column", "results", "export", "review", "chats", "chat-settings", "artifacts",
    "artifact", "import", "samples", "build", "folder",
)  # fmt: skip


async def walked(pilot: Pilot[None]) -> AsyncIterator[str]:
    """Each step of WALK, once its screen has settled."""
    for key in WALK:
        if not key:
            await until(pilot, lambda: isinstance(pilot.app.screen, ResultsScreen))
        elif key not in PICTURES:
            await pilot.press(key)
        await settle(pilot)
        yield key


@pytest.mark.parametrize(
    ("size", "theme", "language"),
    [(SMALL, "dark", "en"), (LARGE, "light", "ar"), (LARGE, "plain", "zh"), (SMALL, "dark", "hi")],
    ids=["en", "ar", "zh", "hi"],
)
async def test_screen(size: tuple[int, int], theme: str, language: str, snapshot: Snapshot) -> None:
    """Every other screen, in one app for each look: every size, theme and script is there once.

    But for Settings, which counts the translations that nobody has confirmed yet.
    """
    Path("letters.csv").write_text("n,text\n1,the lamp\n2,a song\n3,شغل lamp\n", encoding="utf-8")
    values = {"theme": theme, "language": language, "direction": "app"}
    app = make_app([found(), found_chat()], values=values)
    app.history.begin("tiny-chat", ChatSettings(), "Why do lamps shine?")
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        async for key in walked(pilot):
            if key in PICTURES:
                await snapshot(pilot, key)


async def test_every_screen_stands_a_tiny_terminal() -> None:
    async with make_app([found(), found_chat()]).run_test(size=TINY) as pilot:
        await settle(pilot)
        for key in ("1", "2", "3", "4", "a", "i", "s", "b", "comma"):
            await pilot.press(key)
            await settle(pilot)
            assert len(pilot.app.screen_stack) == 3, key
            await pilot.resize_terminal(10, 3)
            await pilot.resize_terminal(*TINY)
            await pilot.press("escape")
            await settle(pilot)

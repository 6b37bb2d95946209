"""Fixtures of the app's tests: a data folder of their own, and pictures of screens."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from textual import _wait
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from tests.tui.scripted import offline

if TYPE_CHECKING:  # Windows has no PTYs
    from tests.tui.pty_terminal import Terminal

# The pilot calls an app idle that did nothing for so long, twice for every key. What a test waits
# for it says itself (`settle`, `until`), so that this is only what lets the app work at all.
_wait.SLEEP_GRANULARITY = 1 / 200
_wait.SLEEP_IDLE = _wait.SLEEP_GRANULARITY / 20

FOLDER = Path(__file__).parent / "__snapshots__"
# Set, the pictures are made anew instead of being compared: look at each before it is committed.
UPDATE = "EDGEKIT_UPDATE_SNAPSHOTS"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs the tests that are coroutines."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))  # paths are then the same in every run
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "NO_COLOR", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    started: list[Terminal] = []
    yield started
    for terminal in started:
        terminal.kill()


# What was just chosen may not be drawn yet.
DRAWN_TRIES, DRAWN_SECONDS = 20, 0.1


@pytest.fixture
def snapshot(request: pytest.FixtureRequest) -> Callable[..., Awaitable[None]]:
    """Compares the screen with its picture from an earlier run, named after the test."""

    async def compare(pilot: Pilot[None], part: str = "") -> None:
        for field in (*pilot.app.screen.query(TextArea), *pilot.app.screen.query(Input)):
            field.cursor_blink = False
            # A line drawn while the cursor was out is kept, and its key knows nothing of blinking.
            field.notify_style_update()
            field.refresh()
        name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_")).strip("-")
        path = FOLDER / f"{f'{name}-{part}' if part else name}.svg"
        await pilot.pause()
        if os.environ.get(UPDATE):
            path.write_text(await _drawn(pilot), encoding="utf-8")
        wanted = path.read_text(encoding="utf-8") if path.exists() else ""
        for _ in range(DRAWN_TRIES):
            if _picture(pilot) == wanted:
                return
            await pilot.pause(DRAWN_SECONDS)
        seen = Path(os.environ["EDGEKIT_DATA"]).parent / path.name
        seen.write_text(_picture(pilot), encoding="utf-8")
        pytest.fail(f"the screen is not as in {path}; it is now {seen} (see {UPDATE})")

    return compare


async def _drawn(pilot: Pilot[None]) -> str:
    """The picture once it stays the same: on a busy machine, half of it may come first."""
    before = ""
    while (now := _picture(pilot)) != before:
        before = now
        await pilot.pause(3 * DRAWN_SECONDS)
    return now


def _picture(pilot: Pilot[None]) -> str:
    return _steady(pilot.app.export_screenshot(title="edgekit"))


def _steady(svg: str) -> str:
    """Without what differs in every run, and with letters in the order of their columns."""
    svg = offline(re.sub(r"terminal-\d+", "terminal", svg))
    turned = "text { unicode-bidi: bidi-override; direction: ltr }"
    return svg.replace("</style>", f"{turned}</style>", 1)

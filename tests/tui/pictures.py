"""Pictures of the app for its documents: python -m tests.tui.pictures FOLDER TABLE ARTIFACT…

The real app, driven by keys, with a real artifact of each task and a table of texts; an SVG for
each picture. Tasks without an artifact are left out.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit_tui import found, i18n, settings
from edgekit_tui.app import EdgekitApp
from edgekit_tui.screens.results import ResultsScreen
from textual.pilot import Pilot

from tests.tui.scripted import offline, settle, until

TEXT = "éteins la lumière du salon"
QUESTION = "Explain in two sentences why the sky is blue."
LICENCE = Path(__file__).parents[2] / "LICENSE"


@dataclass(frozen=True, slots=True)
class Camera:
    pilot: Pilot[None]
    out: Path
    theme: str

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await settle(self.pilot)

    async def type(self, text: str) -> None:
        await self.press(*("space" if letter == " " else letter for letter in text))

    def keep(self, name: str) -> None:
        svg = offline(self.pilot.app.export_screenshot(title="edgekit"))
        (self.out / f"{name}-{self.theme}.svg").write_text(svg, encoding="utf-8")


async def classification(camera: Camera) -> None:
    app = camera.pilot.app
    await camera.press("2")
    await camera.type(TEXT)
    camera.keep("classify")
    await camera.press("escape")
    await camera.press("4")
    await camera.press(*"texts", "enter")
    camera.keep("column")
    await camera.pilot.press("enter")
    await until(camera.pilot, lambda: isinstance(app.screen, ResultsScreen))
    await settle(camera.pilot)
    camera.keep("results")
    await camera.press("r")
    camera.keep("review")
    await camera.press("escape", "escape", "escape", "escape")
    await camera.press("a")
    camera.keep("artifacts")
    await camera.press("enter")
    camera.keep("artifact")
    await camera.press("escape", "escape")


async def chat(camera: Camera) -> None:
    app = camera.pilot.app
    await camera.press("1")
    await camera.type(QUESTION)
    await camera.press("enter")
    await until(camera.pilot, lambda: app.screen.answering is None)  # type: ignore[attr-defined]
    camera.keep("chat")
    await camera.press("escape")


async def summarization(camera: Camera) -> None:
    app = camera.pilot.app
    await camera.press("3", "ctrl+f")
    await camera.press(*"licence.txt", "enter")
    camera.keep("summarize")
    await camera.press("ctrl+s")
    await until(camera.pilot, lambda: getattr(app.screen, "made", None) is not None)
    camera.keep("summary")
    await camera.press("escape", "escape")


WALKS: dict[str, Callable[[Camera], Awaitable[None]]] = {
    "chat": chat,
    "summarization": summarization,
    "classification": classification,
}


async def take(artifacts: list[Path], out: Path, theme: str) -> None:
    settings.save({**settings.load(), "theme": theme, "language": "en"})
    app = EdgekitApp(artifacts, free_memory=lambda: 3_100_000_000)
    async with app.run_test(size=(96, 28)) as pilot:
        camera = Camera(pilot, out, theme)
        await settle(pilot)
        tasks = {found.look(folder).task for folder in artifacts}
        for task, walk in WALKS.items():
            if task in tasks:
                await walk(camera)
        camera.keep("home")  # with the speeds that were measured
        await camera.press("comma")
        camera.keep("settings")


def main() -> None:
    out, table, *artifacts = (Path(word).resolve() for word in sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEKIT_DATA"] = os.environ["HOME"] = folder
        os.chdir(folder)
        shutil.copy(table, "texts.csv")
        shutil.copy(LICENCE, "licence.txt")
        for theme in ("dark", "light"):
            i18n.choose("en")
            asyncio.run(take(artifacts, out, theme))


if __name__ == "__main__":
    main()

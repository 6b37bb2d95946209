"""Pictures of the app for its documents: python tests/tui/pictures.py ARTIFACT TABLE FOLDER

The real app, driven by keys, with a real artifact and a table of texts; one SVG for each picture.
Needs PYTHONPATH=tests.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from edgekit_tui import i18n, settings
from edgekit_tui.app import EdgekitApp
from edgekit_tui.screens.results import ResultsScreen
from scripted import offline, settle, until

TEXT = "éteins la lumière du salon"


async def take(artifact: Path, table: Path, out: Path, theme: str) -> None:
    settings.save({**settings.load(), "theme": theme, "language": "en"})
    app = EdgekitApp([artifact], free_memory=lambda: 3_100_000_000)
    async with app.run_test(size=(96, 28)) as pilot:

        def keep(name: str) -> None:
            path = out / f"{name}-{theme}.svg"
            path.write_text(offline(app.export_screenshot(title="edgekit")), encoding="utf-8")

        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press(*("space" if letter == " " else letter for letter in TEXT))
        await settle(pilot)
        keep("classify")
        await pilot.press("escape")
        await settle(pilot)
        keep("home")
        shutil.copy(table, "texts.csv")
        await pilot.press("4")
        await settle(pilot)
        await pilot.press(*"texts", "enter")
        await settle(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ResultsScreen))
        await settle(pilot)
        keep("results")
        await pilot.press("r")
        await settle(pilot)
        keep("review")
        await pilot.press("escape", "escape", "escape", "escape")
        await settle(pilot)
        await pilot.press("a", "enter")
        await settle(pilot)
        keep("artifact")


def main() -> None:
    artifact, table, out = (Path(word).resolve() for word in sys.argv[1:4])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEKIT_DATA"] = os.environ["HOME"] = folder
        os.chdir(folder)
        for theme in ("dark", "light"):
            i18n.choose("en")
            asyncio.run(take(artifact, table, out, theme))


if __name__ == "__main__":
    main()

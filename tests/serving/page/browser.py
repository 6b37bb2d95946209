"""The page for people in the system's Chromium, on the screen of a phone; takes pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def page(*, width: int = 360, height: int = 740, language: str = "en") -> Iterator[Any]:
    """A page of a phone; any request to another place than this machine fails the test."""
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        found = browser.new_page(viewport={"width": width, "height": height}, locale=language)
        found.on("request", lambda request: asked.append(request.url))
        faults: list[str] = []
        found.on("pageerror", lambda error: faults.append(str(error)))
        found.on("console", lambda message: faults.append(message.text)
                 if message.type == "error" and "401" not in message.text else None)  # fmt: skip
        yield found
        browser.close()
    assert faults == []
    assert [url for url in asked if not url.startswith(("http://127.0.0.1", "data:"))] == []


def picture(found: Any, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found.screenshot(path=str(folder / f"{name}.png"), full_page=True)

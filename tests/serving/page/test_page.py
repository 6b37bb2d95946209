"""The page for people: whole in one file, in ten languages, usable on a phone and by keyboard."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from edgekit.serving import keys, page
from edgekit.serving.keys import Key
from tests.house.layout import ROOT
from tests.serving.page import browser
from tests.serving.running import Running, running

LANGUAGES = {"en", *(path.stem for path in (ROOT / "tui/edgekit_tui/locale").glob("*.po"))}
PICTURES = os.environ.get("EDGEKIT_PICTURES")
"""A folder for pictures of the page, for people to look at."""

in_browser = pytest.mark.skipif(
    browser.CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="needs chromium and playwright",
)


def shown(found: Any, name: str) -> None:
    if PICTURES:
        browser.picture(found, Path(PICTURES), name)


def words() -> dict[str, dict[str, str]]:
    text = page.html().decode()
    [table] = re.findall(r"const WORDS = \{\n(.*?)\n\};", text, re.DOTALL)
    return {
        line[:2]: json.loads(re.sub(r'([{,] ?)(\w+): "', r'\1"\2": "', line[4:].rstrip(",")))
        for line in table.splitlines()
    }


def test_it_speaks_the_ten_languages_of_the_app() -> None:
    found = words()
    assert set(found) == LANGUAGES
    assert len(found) == 10
    for code, texts in found.items():
        assert set(texts) == set(found["en"]), code
        for name, text in texts.items():
            assert text.strip(), (code, name)
            assert set(re.findall(r"\{\d\}", text)) == set(re.findall(r"\{\d\}", found["en"][name]))
    said = set(re.findall(r'data-say="(\w+)"', page.html().decode()))
    assert said <= set(found["en"])


def test_nothing_of_it_comes_from_elsewhere(server: Running) -> None:
    got = server.ask("/")
    text = got.body.decode()
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)
    assert "http" not in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    assert "innerHTML" not in text
    assert "default-src 'none'" in got.headers["content-security-policy"]
    assert "unsafe" not in got.headers["content-security-policy"]
    for field in re.findall(r"<(?:input|textarea|select) id=\"(\w+)\"", text):
        assert f'for="{field}"' in text or field == "language"


@in_browser
def test_a_phone_chats_classifies_and_summarizes(server: Running) -> None:
    with browser.page() as found:
        found.goto(server.url)
        found.wait_for_selector("#work:not([hidden])")
        found.fill("#message", "Hello")
        found.click("#chat-form .go")
        found.wait_for_selector("#chat-form .go:not([disabled])", timeout=60_000)
        assert found.locator(".turn").count() >= 2 or found.locator("#fault").inner_text()
        assert found.evaluate("document.documentElement.scrollWidth") <= 360
        shown(found, "chat")
        found.click("#tab-classify")
        found.select_option("#model", "tiny-intents")
        found.fill("#labelled", "turn up the heating in the kitchen")
        found.click("#classify-form .go")
        found.wait_for_selector("#found table")
        assert found.locator("#found tr").count() == 3
        assert found.locator("#own-labels").is_hidden()
        shown(found, "labels")
        found.click("#tab-summarize")
        found.select_option("#model", "tiny-summaries")
        found.fill("#long", "The lamp is on. The heating is off. Play a song, please. " * 9)
        found.click("#summarize-form .go")
        found.wait_for_selector("#summarize-form .go:not([disabled])")
        assert "lamp" in found.locator("#short p").inner_text()
        assert "of" in found.locator("#status").inner_text()
        shown(found, "summary")


@in_browser
@pytest.mark.parametrize("code", sorted(LANGUAGES))
def test_a_phone_shows_it_in_each_language(server: Running, code: str) -> None:
    with browser.page(language=code) as found:
        found.goto(server.url)
        found.wait_for_selector("#work:not([hidden])")
        assert found.evaluate("document.documentElement.lang") == code
        direction = "rtl" if code == "ar" else "ltr"
        assert found.evaluate("document.documentElement.dir") == direction
        assert found.locator("#tab-chat").inner_text() == words()[code]["chat"]
        assert found.evaluate("document.documentElement.scrollWidth") <= 360
        # By the keyboard alone: the next tab, in the direction of reading.
        found.focus("#tab-chat")
        found.keyboard.press("ArrowLeft" if code == "ar" else "ArrowRight")
        assert found.evaluate("document.activeElement.id") == "tab-classify"
        shown(found, f"language-{code}")


@in_browser
def test_it_asks_for_a_key(made_artifact: Path, tmp_path: Path) -> None:
    secret = keys.add(tmp_path / "keys.json", Key("phone", "", ""))
    with running(made_artifact, keys=tmp_path / "keys.json") as server, browser.page() as found:
        found.goto(server.url)
        found.wait_for_selector("#key-form:not([hidden])")
        assert found.locator("#work").is_hidden()
        found.fill("#key", "ek-wrong")
        found.click("#key-form button")
        found.wait_for_selector("#fault:not(:empty)")
        shown(found, "key")
        found.fill("#key", secret)
        found.click("#key-form button")
        found.wait_for_selector("#work:not([hidden])")
        assert found.locator("#fault").inner_text() == ""
        assert secret not in found.url

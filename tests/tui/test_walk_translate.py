"""Walks through Translate: languages, how far it is, stopping, files; and how it looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from edgekit_tui import i18n
from edgekit_tui.app import EdgekitApp
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.screens.translate import TranslateScreen
from textual.events import Paste
from textual.pilot import Pilot

from tests.tui.scripted import DEADLY, make_app, put_on, settle, shown, until
from tests.tui.scripted_translator import DIRECTIONS, ScriptedTranslator, found_translator
from tests.tui.test_looks_summarize import SIZES, resize

Snapshot = Callable[..., Awaitable[None]]
TEXT = "The well gives 40 litres.\nIts pump fails every week.\nTwo people repair it."
FRENCH = (
    "Le puits donne 40 litres.",
    "Sa pompe tombe en panne chaque semaine.",
    "Deux personnes la réparent.",
)
ARABIC = ("يعطي البئر 40 لترًا.", "تتعطل مضخته كل أسبوع.", "يصلحها شخصان.")


@pytest.fixture(autouse=True)
def _english_afterwards() -> Iterator[None]:
    yield
    i18n.choose("en")


@asynccontextmanager
async def opened(
    model: ScriptedTranslator, values: dict[str, str] | None = None, text: str = TEXT
) -> Any:
    """The app with the page open, and a text in it."""
    app = make_app([found_translator(model.manifest.languages)], model=model, values=values or {})  # type: ignore[arg-type]
    async with app.run_test(size=SIZES["small"]) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, TranslateScreen)
        if text:
            app.post_message(Paste(text))
            await settle(pilot)
        yield app, pilot


async def made(app: EdgekitApp, pilot: Pilot[None]) -> TranslateScreen:
    screen = app.screen
    assert isinstance(screen, TranslateScreen)
    await until(pilot, lambda: screen.made)
    await settle(pilot)
    return screen


async def test_a_text_is_translated_in_its_lines_and_counted() -> None:
    model = ScriptedTranslator(says=FRENCH, warnings=["Not judged in this."])
    async with opened(model) as (app, pilot):
        await pilot.press("ctrl+s")
        screen = await made(app, pilot)
        assert model.asked == [{"text": TEXT, "to": "fr", "from": None}]
        assert [line.strip() for line in shown(app, "#translation").splitlines()] == [*FRENCH]
        assert "3 of 3 sentences translated · English → French" in shown(app, "#status")
        assert "Not judged in this." in shown(app, "#notice")
        await pilot.press("ctrl+b")
        await settle(pilot)
        assert app.clipboard == "\n".join(FRENCH)
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
        assert screen.translating is None


async def test_languages_are_chosen_where_there_are_several() -> None:
    model = ScriptedTranslator(says=ARABIC)
    async with opened(model) as (app, pilot):
        assert "French" in shown(app, "#choices")
        assert "As the text says" in shown(app, "#choices")
        await pilot.press("tab", "right", "ctrl+s")
        await made(app, pilot)
        assert model.asked[-1]["from"] == "en"
        await pilot.press("shift+tab", "down", "right")
        await settle(pilot)
        # Into Arabic there is English alone: nothing to choose.
        assert "Arabic" in shown(app, "#choices")
        assert "From" not in shown(app, "#choices")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: len(model.asked) == 2)
        assert model.asked[-1]["to"] == "ar"
        await made(app, pilot)


async def test_of_one_direction_there_is_nothing_to_choose() -> None:
    async with opened(ScriptedTranslator(DIRECTIONS[:1], says=FRENCH)) as (app, pilot):
        assert not app.screen.query_one("#choices").display
        await pilot.press("ctrl+s")
        await made(app, pilot)


async def test_what_was_translated_until_it_was_stopped_stays() -> None:
    model = ScriptedTranslator(says=FRENCH, hold=True)
    async with opened(model) as (app, pilot):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: model.asked)
        model.pass_one()
        await until(pilot, lambda: "1 of 3" in shown(app, "#status"))
        assert shown(app, "#translation").strip() == FRENCH[0]
        await pilot.press("ctrl+s")  # one at a time
        await pilot.press("escape")
        await until(pilot, lambda: "Stopping" in shown(app, "#status"))
        model.pass_one()
        await made(app, pilot)
        assert shown(app, "#translation").strip() == FRENCH[0]
        assert "It was stopped; the rest is not translated." in shown(app, "#notice")
        assert len(model.asked) == 1


async def test_a_model_that_dies_is_a_sentence_and_the_text_stays() -> None:
    model = ScriptedTranslator(says=FRENCH)
    async with opened(model, text=f"{DEADLY} words") as (app, pilot):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "SIGKILL" in shown(app, "#notice"))
        assert app.screen.translating is None  # type: ignore[attr-defined]
        assert DEADLY in shown(app, "#text")
        await pilot.press("ctrl+l")
        await settle(pilot)
        assert DEADLY not in shown(app, "#text")
        await pilot.press("ctrl+s")
        await settle(pilot)
        assert len(model.asked) == 1, "nothing to translate"


async def test_a_file_is_read_and_translated() -> None:
    Path("letter.txt").write_text(TEXT, encoding="utf-8")
    model = ScriptedTranslator(says=FRENCH)
    async with opened(model, text="") as (app, pilot):
        await pilot.press("ctrl+f")
        await settle(pilot)
        await pilot.press(*"letter.txt", "enter")
        await settle(pilot)
        assert "letter.txt" in shown(app, "#beginning")
        await pilot.press("ctrl+s")
        await made(app, pilot)
        assert "40 litres" in model.asked[0]["text"]


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_translate(language: str, snapshot: Snapshot) -> None:
    """One walk, looked at in every size; in English also in the other themes."""
    model = ScriptedTranslator(
        says=FRENCH if language == "en" else ARABIC,
        warnings=["The text seems to be in German, and was read as English."],
    )
    values = {"language": language, "direction": "app", "theme": "light"}
    async with opened(model, values) as (app, pilot):
        if language == "ar":
            await pilot.press("tab", "down", "right")
            await settle(pilot)
        await pilot.press("ctrl+s")
        screen = await made(app, pilot)
        assert screen.made
        for name, size in SIZES.items():
            await resize(pilot, size)
            await snapshot(pilot, name)
        for theme in ("dark", "plain") if language == "en" else ():
            await put_on(app, pilot, theme)
            await snapshot(pilot, f"small-{theme}")

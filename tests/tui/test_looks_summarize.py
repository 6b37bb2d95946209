"""How a summary looks in each theme, size and script; also while it is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest
from edgekit_tui import i18n
from edgekit_tui.screens.summary import SummaryScreen
from textual.events import Paste
from textual.pilot import Pilot

from tests.tui.scripted import make_app, put_on, settle, shown, until
from tests.tui.scripted_summarizer import (
    ScriptedSummarizer,
    found_summarizer,
    make_summary_manifest,
)

Snapshot = Callable[..., Awaitable[None]]
SIZES = {"large": (120, 40), "tiny": (40, 12), "small": (80, 24)}
TEXTS = {
    "en": "The well gives 40 litres. It was dug in 1998.\n\nIts pump fails every week. Two people "
    "repair it.\n\nA new one costs 900 dollars. Half of that is there.",
    "ar": "يعطي البئر 40 لترًا. حُفر سنة 1998.\n\nتتعطل مضخته كل أسبوع. يصلحها شخصان.\n\n"
    "تكلف الجديدة 900 دولار. جُمع نصف المبلغ.",
    "zh": "水井每分钟出水四十升。它挖于一九九八年。\n\n水泵每周都坏。两个人修理它。\n\n"
    "新的要九百美元。已有一半。",
    "hi": "कुआँ 40 लीटर देता है। यह 1998 में खोदा गया।\n\nइसका पंप हर हफ़्ते ख़राब होता है। दो लोग उसे ठीक "
    "करते हैं।\n\nनया 900 डॉलर का है। आधा पैसा है।",
}


@pytest.fixture(autouse=True)
def _english_afterwards() -> Iterator[None]:
    yield
    i18n.choose("en")


async def resize(pilot: Pilot[None], size: tuple[int, int]) -> None:
    await pilot.resize_terminal(*size)
    await until(pilot, lambda: pilot.app.screen._compositor.size == size)
    await pilot.pause()


@pytest.mark.parametrize("language", TEXTS)
async def test_summary(language: str, snapshot: Snapshot) -> None:
    """One walk, looked at in every size; in English also in the other themes."""
    warning = "The text seems to be in a language that 'tiny' was not judged in."
    model = ScriptedSummarizer(make_summary_manifest(), hold=True, warnings=[warning])
    values = {"language": language, "direction": "app", "theme": "light"}
    app = make_app([found_summarizer()], model=model, values=values)  # type: ignore[arg-type]
    async with app.run_test(size=SIZES["small"]) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        app.post_message(Paste(TEXTS[language]))
        await settle(pilot)
        await pilot.press("tab")
        for name, size in SIZES.items():
            await resize(pilot, size)
            await snapshot(pilot, f"text-{name}")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, SummaryScreen))
        model.pass_one(9)
        await until(pilot, lambda: app.screen.made)  # type: ignore[attr-defined]
        await settle(pilot)
        await pilot.press("down")
        await settle(pilot)
        assert shown(app, "#passages")
        for name, size in SIZES.items():
            await resize(pilot, size)
            await snapshot(pilot, name)
        for theme in ("dark", "plain") if language == "en" else ():
            await put_on(app, pilot, theme)
            await snapshot(pilot, f"small-{theme}")


async def test_summary_while_it_is_made(snapshot: Snapshot) -> None:
    """A model that writes: what is there of the summary is shown below how far it is."""
    model = ScriptedSummarizer(make_summary_manifest("seq2seq"), hold=True)
    app = make_app([found_summarizer(engine="seq2seq")], model=model)  # type: ignore[arg-type]
    async with app.run_test(size=SIZES["small"]) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        app.post_message(Paste(TEXTS["en"]))
        await settle(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: model.asked)
        screen = app.screen
        assert isinstance(screen, SummaryScreen)
        model.pass_one(2)
        await until(pilot, lambda: "2 of 3" in shown(app, "#share"))
        # What is measured differs from run to run.
        screen.query_one("#pace").display = False
        for name, size in SIZES.items():
            await resize(pilot, size)
            await snapshot(pilot, name)
        await pilot.press("escape")
        await until(pilot, lambda: screen.made)


async def test_the_keys_of_each_screen_are_in_its_help_and_its_menu() -> None:
    app = make_app([found_summarizer()], model=ScriptedSummarizer(make_summary_manifest()))  # type: ignore[arg-type]
    async with app.run_test(size=SIZES["small"]) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        words = [command.title for command in app.get_system_commands(app.screen)]
        assert {"Summarize", "Open a file", "Clear", "Back"} <= set(words)
        await pilot.press("f1")
        await settle(pilot)
        assert "All of the text is read" in " ".join(shown(app, "#help Static").split())
        await pilot.press("escape", "ctrl+o")
        await settle(pilot)
        assert len(app.screen.query(".jump")) == 3, "the text, the settings, the button"
        await pilot.press("d")
        await settle(pilot)
        assert app.screen.query_one("#go").has_focus

"""Walks with the keyboard alone: from Home to what a person wants to do; with nothing, a sample."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from edgekit_tui import building, models, places
from edgekit_tui.bidi import RIGHT_TO_LEFT
from edgekit_tui.found import Found, best, find
from edgekit_tui.screens.artifact import ArtifactScreen
from edgekit_tui.screens.build import BuildingScreen
from edgekit_tui.screens.home import ACTIONS, HomeScreen
from edgekit_tui.screens.overlay import Overlay
from edgekit_tui.screens.samples import SAMPLES, SamplesScreen
from textual.widgets import OptionList

from edgekit.tables import SAMPLES as KNOWN_SAMPLES
from edgekit.tasks.classification.answer import Answer
from tests.tiny.artifact import make_artifact
from tests.tui.scripted import (
    ScriptedModel,
    found,
    found_chat,
    make_app,
    make_chat_manifest,
    make_manifest,
    seen,
    settle,
    shown,
)

Snapshot = Callable[..., Awaitable[None]]
SMALL = (80, 24)
SECOND = found(Path("/models/second"), name="second")
BROKEN = Found(Path("/x/broken"), "own", None, wrong="manifest.json: odd bytes")


async def test_home_shows_what_was_found(snapshot: Snapshot) -> None:
    other = found(Path("/drive/triage"), name="triage-sw", languages=["sw", "en"])
    heavy = replace(found_chat(), fits=False, source="drive")
    models.remember_speed(other.artifact.manifest.digest, 0.0123)  # type: ignore[union-attr]
    models.remember_writing_rate(heavy.artifact.manifest.digest, 3.21)  # type: ignore[union-attr]
    async with make_app([found(), other, heavy]).run_test(size=SMALL) as pilot:
        await settle(pilot)
        text = shown(pilot.app, "#artifacts")
        assert "Swahili, English · 24.2 MB · fits in memory · 12 ms a text" in text
        assert "does not fit in memory now · 3.2 words a second" in text
        await snapshot(pilot)


async def test_an_action_takes_the_chosen_artifact_or_the_best_that_fits_it() -> None:
    there = [found(), SECOND, found_chat(), BROKEN]
    async with make_app(there).run_test(size=SMALL) as pilot:
        await settle(pilot)
        options = pilot.app.screen.query_one("#artifacts", OptionList)
        for chosen, key, used in (
            (0, "2", 0), (1, "2", 1), (1, "4", 1), (2, "2", 0), (3, "2", 0),
            (0, "1", 2), (0, "3", 2), (2, "3", 2),
        ):  # fmt: skip
            options.highlighted = chosen
            await pilot.press(key)
            await settle(pilot)
            assert pilot.app.screen.folder == there[used].folder, (chosen, key)  # type: ignore[attr-defined]
            await pilot.press("escape")
            await settle(pilot)


@pytest.mark.parametrize(
    ("there", "key", "said"),
    [
        ([BROKEN], "2", "odd bytes"),
        ([found()], "1", "(chat). Press i to import"),
        ([found_chat()], "4", "(classification). Press i to import"),
    ],
)
async def test_what_is_missing_for_an_action_is_a_sentence(
    there: list[Found], key: str, said: str
) -> None:
    async with make_app(there).run_test(size=SMALL) as pilot:
        await settle(pilot)
        await pilot.press(key)
        assert said in shown(pilot.app, "#notice").replace("\n", " ")


def test_the_best_artifact_fits_in_memory_and_is_of_the_first_task() -> None:
    chat, heavy = found_chat(), replace(found(), fits=False)
    assert best([heavy, chat], ("classification", "chat")) is chat
    assert best([heavy], ("classification", "chat")) is heavy
    assert best([chat, found()], ("classification", "chat")) == found()
    assert best([chat], ("summarization",)) is None
    assert best([chat, heavy], ("chat",), chosen=heavy) is chat


async def test_the_actions_answer_to_the_mouse_too() -> None:
    async with make_app([found(), found_chat()]).run_test(size=SMALL) as pilot:
        for action in ACTIONS:
            await settle(pilot)
            assert isinstance(pilot.app.screen, HomeScreen)
            await pilot.click(f"#{action.screen}")
            await settle(pilot)
            assert not isinstance(pilot.app.screen, HomeScreen), action
            await pilot.press("escape")


async def test_a_speed_that_was_measured_is_shown_at_home() -> None:
    model = ScriptedModel(make_chat_manifest())
    async with make_app([found_chat()], model=model).run_test(size=SMALL) as pilot:
        await settle(pilot)
        await pilot.press("1")
        await settle(pilot)
        await pilot.press(*"hello", "enter")
        await settle(pilot)
        while pilot.app.screen.answering is not None:  # type: ignore[attr-defined]
            await settle(pilot)
        await pilot.press("escape")
        await settle(pilot)
        assert "150 words a second" in shown(pilot.app, "#artifacts")


async def test_what_a_text_took_is_shown_at_home_before_the_model_is_closed() -> None:
    async with make_app([found()]).run_test(size=SMALL) as pilot:
        await settle(pilot)
        await pilot.press("2")
        await settle(pilot)
        for letter in "ab":
            await pilot.press(letter)
            await settle(pilot)
        await pilot.press("escape")
        await settle(pilot)
        assert "12 ms a text" in shown(pilot.app, "#artifacts")


class _InParts(ScriptedModel):
    def _answer(self, text: str, floor: float) -> Answer:
        return replace(super()._answer(text, floor), parts=1 + len(text) // 1000)


def test_a_text_that_is_read_in_parts_says_nothing_about_the_usual_one() -> None:
    seconds = iter((0, 0.01, 0, 0.02, 0, 11.0))
    opened = models.Models(lambda *_: _InParts(make_manifest()), clock=lambda: next(seconds))
    for text in ("a lamp", "a song", "a pasted book " * 9000):
        opened.answer(Path("x"), text)
    assert opened.seconds_per_text() == 0.02


async def test_home_without_artifacts_says_the_first_steps(snapshot: Snapshot) -> None:
    async with make_app().run_test(size=SMALL) as pilot:
        await settle(pilot)
        await pilot.press("1")
        assert "(chat). Press i to import one" in shown(pilot.app, "#notice")
        await snapshot(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, SamplesScreen)
        await snapshot(pilot, "samples")


_SAMPLE = """
import json, sys
for note in ("fetching the encoder", "fetching the encoder", "writing the encoder"):
    print(json.dumps({"event": "step", "step": "home-intents", "state": "progress",
        "fraction": 0.5, "eta_s": None, "note": note}), file=sys.stderr, flush=True)
print(json.dumps({"recipe": "recipe.yaml"}))
"""


async def test_a_sample_is_fetched_built_and_used() -> None:
    asked: list[tuple[str, Path]] = []

    def sample_command(name: str, folder: Path) -> list[str]:
        asked.append((name, folder))
        return [sys.executable, "-c", _SAMPLE]

    def build_command(recipe: Path) -> list[str]:
        made = make_artifact(recipe.parent / "out" / "tiny-intents-onnx")
        result = json.dumps({"artifacts": [{"path": str(made)}], "verdict": "PASS"})
        return [sys.executable, "-c", f"print({result!r})"]

    app = make_app(sample_command=sample_command, build_command=build_command)
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        await pilot.press("s", "enter")
        await settle(pilot)
        assert isinstance(app.screen, BuildingScreen)
        assert asked == [("home-intents", places.samples() / "home-intents")]
        assert "Press enter to build" in shown(app, "#notice")
        assert shown(app, "#lines") == "fetching the encoder\nwriting the encoder"
        assert "50%" in shown(app, "#steps")
        await pilot.press("enter")
        await settle(pilot)
        assert "quick.yaml" in shown(app, "#fact")
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, ArtifactScreen)
    assert [one.name for one in find()] == ["tiny-intents"], "it is at Home from now on"


async def test_a_sample_without_what_makes_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "llama_cpp" else there(name)
    )
    async with make_app().run_test(size=SMALL) as pilot:
        await settle(pilot)
        await pilot.press("s", "down", "enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, SamplesScreen)
        said = shown(pilot.app, "#notice").replace("\n", " ")
        assert "pip install 'edgekit[gguf]'" in said
        assert "from a USB drive" in said


def test_the_samples_are_those_of_the_command() -> None:
    assert {sample.name for sample in SAMPLES} == set(KNOWN_SAMPLES)
    assert building.sample("spam", Path("d"))[3:] == ["edgekit", "sample", "spam", "d", "--json"]


async def test_what_lies_below_an_overlay_is_turned_once() -> None:
    app = make_app([found()], values={"language": "ar"})
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        before = seen(app).splitlines()
        for key in ("f1", "ctrl+o", "ctrl+p"):
            await pilot.press(key)
            await settle(pilot)
            assert isinstance(app.screen, Overlay)
            above = seen(app).splitlines()
            same = [line for line, other in zip(before, above, strict=True) if line == other]
            # The line at the top, and most of the others, where nothing covers them.
            assert RIGHT_TO_LEFT.search(before[1])
            assert before[1] in same, key
            await pilot.press("escape")
            await settle(pilot)


async def test_the_line_at_the_top_begins_at_the_right_in_arabic() -> None:
    for language, arrow, first in (("ar", "‹", -1), ("en", "›", 0)):
        async with make_app([found()], values={"language": language}).run_test() as pilot:
            await settle(pilot)
            await pilot.press("comma")
            await settle(pilot)
            crumbs = shown(pilot.app, "#crumbs").split(f"  {arrow}  ")
            assert crumbs[first].strip() == "edgekit"

"""Walks with the keyboard alone: from Home to the labels of a text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from edgekit_tui.screens.classify import ClassifyScreen
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.widgets.scores import Scores
from edgekit_tui.widgets.words import Words
from textual.pilot import Pilot
from textual.widgets import TextArea

from tests.tiny.artifact import fields, make_artifact
from tests.tui.scripted import (
    DEADLY,
    ScriptedModel,
    found,
    make_app,
    make_manifest,
    settle,
    shown,
    until,
)

Snapshot = Callable[[Pilot[None]], Awaitable[None]]


async def typed(pilot: Pilot[None], text: str) -> None:
    """Types it and waits for the answer."""
    await pilot.press(*("space" if letter == " " else letter for letter in text))
    await settle(pilot)


async def test_a_text_is_labelled_while_it_is_typed(snapshot: Snapshot) -> None:
    model = ScriptedModel(make_manifest())
    async with make_app([found()], model=model).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ClassifyScreen)
        await typed(pilot, "the lamp")
        scores = shown(pilot.app, "#scores").splitlines()
        assert scores[0].startswith("light")
        # On a busy machine the keys come slowly, and what is there so far is asked before.
        assert model.asked[-3:] == ["the lamp", " lamp", "the "], "each word is left out once"
        assert pilot.app.screen.query_one("#words", Words).display
        await typed(pilot, " on")
        assert shown(pilot.app, "#status") == "12 ms a text"
        await snapshot(pilot)
        await pilot.press("ctrl+l")
        await settle(pilot)
        assert shown(pilot.app, "#scores") == ""
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, HomeScreen)
    assert model.closed


async def test_a_dead_worker_is_a_message_and_the_next_text_works() -> None:
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await typed(pilot, DEADLY)
        assert "ended (SIGKILL)" in shown(pilot.app, "#notice")
        assert shown(pilot.app, "#scores") == ""
        await pilot.press("ctrl+l")
        await typed(pilot, "lamp")
        assert not pilot.app.screen.query_one("#notice").display
        assert shown(pilot.app, "#scores").startswith("light")


async def test_an_answer_to_what_was_typed_before_is_not_shown() -> None:
    model = ScriptedModel(make_manifest(), hold=True)
    async with make_app([found()], model=model).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press(*"song")
        await until(pilot, lambda: not pilot.app.screen.waiting)  # the model is asked
        await pilot.press(*"lamp")
        model.pass_one()
        await until(pilot, lambda: model.asked == ["song"])
        assert pilot.app.screen.query_one("#scores", Scores).size.height == 0
        model.pass_one(9)
        await settle(pilot)
        assert model.asked[:2] == ["song", "songlamp"]
        assert shown(pilot.app, "#scores").startswith("heat")


async def test_a_real_artifact_answers_from_its_worker_process(tmp_path: Path) -> None:
    from edgekit_tui.app import EdgekitApp

    make_artifact(tmp_path / "work" / "tiny-intents-onnx")
    async with EdgekitApp().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "tiny-intents" in shown(pilot.app, "#artifacts")
        await pilot.press("enter")
        await settle(pilot)
        await typed(pilot, "lamp")
        assert shown(pilot.app, "#scores").startswith("heat")
        assert "73.2%" in shown(pilot.app, "#scores")


async def test_an_artifact_that_fails_verification_is_not_used(tmp_path: Path) -> None:
    from edgekit_tui.app import EdgekitApp

    folder = make_artifact(tmp_path / "work" / "tiny-intents-onnx")
    data = bytearray((folder / "model.onnx").read_bytes())
    data[-1] ^= 1
    (folder / "model.onnx").write_bytes(data)
    async with EdgekitApp().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "sha256 differs" in shown(pilot.app, "#notice").replace("\n", " ")
        await typed(pilot, "lamp")
        assert shown(pilot.app, "#scores") == ""


async def test_an_artifact_for_pairs_has_a_second_field() -> None:
    pairs = make_manifest(model={**fields()["model"], "pairs": True})
    model = ScriptedModel(pairs)
    async with make_app([found()], model=model).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert pilot.app.screen.query_one("#pair").display
        await typed(pilot, "is it")
        assert model.asked == [], "one text alone has no answer"
        await pilot.press("tab")
        await typed(pilot, "the lamp")
        assert model.asked[-1] == "is it / the lamp"
        assert shown(pilot.app, "#scores").startswith("light")
        assert not pilot.app.screen.query_one("#words", Words).display
        await pilot.press("ctrl+l")
        await settle(pilot)
        assert shown(pilot.app, "#scores") == ""


async def test_an_artifact_for_texts_has_none() -> None:
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert not pilot.app.screen.query_one("#pair").display


KNOWING = {
    **fields()["model"],
    "familiar": {"least": {"latin": 0.8, "others": 0.8}, "version": 1, "rows": 200},
}
JUDGED = {"artifact": {"by_language": {"en": {"rows": 9}}}}
HINDI = "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है"


async def test_an_answer_to_doubt_says_why(snapshot: Snapshot) -> None:
    one = found(model={**KNOWING, "abstain_below": 0.9}, quality=JUDGED)
    async with make_app([one]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await typed(pilot, "the lamp")
        assert not pilot.app.screen.query_one("#doubt").display
        await pilot.press("ctrl+l")
        pilot.app.screen.query_one("#text", TextArea).text = HINDI
        await settle(pilot)
        assert "not sure" in shown(pilot.app, "#scores")
        assert shown(pilot.app, "#doubt").splitlines() == [
            "This looks like nothing that the model was taught.",
            "It seems to be in a language that the model was not judged in: Hindi.",
        ]
        await snapshot(pilot)
        await pilot.press("ctrl+l")
        await settle(pilot)
        assert not pilot.app.screen.query_one("#doubt").display

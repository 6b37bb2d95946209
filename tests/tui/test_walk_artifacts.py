"""Walks with the keyboard alone: import from a drive, look, verify, remove; build."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from edgekit_tui import found, importing, places
from edgekit_tui.app import EdgekitApp
from edgekit_tui.screens.artifact import ArtifactScreen
from edgekit_tui.screens.artifacts import ArtifactsScreen, ImportScreen
from edgekit_tui.screens.build import BuildScreen
from edgekit_tui.screens.home import HomeScreen
from edgekit_tui.screens.question import Question
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from edgekit.artifact.folder import read, verify
from edgekit.errors import ArtifactError, IntegrityError
from tests.tiny.artifact import make_artifact
from tests.tui.scripted import found as scripted_found
from tests.tui.scripted import make_app, settle, shown, until

Snapshot = Callable[[Pilot[None]], Awaitable[None]]
QUALITY = {
    "artifact": {"by_language": {"en": {"macro_f1": 0.9}, "ar": {"macro_f1": 0.75}}},
    "verdict": "PASS",
}


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """What stands for a USB stick, beside the working folder."""
    make_artifact(tmp_path / "stick" / "tiny-intents-onnx", quality=QUALITY)
    return tmp_path / "stick"


async def open_import(pilot: Pilot[None]) -> None:
    await settle(pilot)
    await pilot.press("a")
    await settle(pilot)
    await pilot.press("i")
    await settle(pilot)
    assert isinstance(pilot.app.screen, ImportScreen)
    # From the working folder up to the folder of the stick, and into it.
    await pilot.press("up", "enter")
    await settle(pilot)
    await pilot.press(*"stick", "enter")
    await settle(pilot)
    await pilot.press(*"tiny", "enter")
    await settle(pilot)


async def test_an_artifact_is_imported_verified_and_removed(drive: Path) -> None:
    async with EdgekitApp().run_test(size=(80, 30)) as pilot:
        await open_import(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, ArtifactScreen))
        shutil.rmtree(drive)  # pulled out
        own = places.artifacts() / "tiny-intents"
        verify(read(own))
        assert {path.stat().st_mode & 0o077 for path in own.iterdir()} == {0}
        quality = shown(pilot.app, "#quality")
        assert "PASS" in quality
        assert quality.index("English") < quality.index("Arabic"), "the best first"
        await pilot.press("v")
        await settle(pilot)
        assert "All right: 5 files and 6 answers" in shown(pilot.app, "#notice").replace("\n", " ")
        await pilot.press("escape")
        await settle(pilot)
        assert isinstance(pilot.app.screen, ArtifactsScreen)
        await pilot.press("delete")
        await pilot.press("enter")
        assert own.exists(), "the harmless answer comes first"
        await pilot.press("delete")
        await pilot.press("right", "enter")
        await settle(pilot)
        assert not own.exists()
        assert list(places.artifacts().iterdir()) == []


async def test_a_damaged_artifact_is_not_imported_and_the_sentence_says_why(drive: Path) -> None:
    model = drive / "tiny-intents-onnx" / "model.onnx"
    data = bytearray(model.read_bytes())
    data[100] ^= 1
    model.write_bytes(data)
    async with EdgekitApp().run_test(size=(80, 24)) as pilot:
        await open_import(pilot)
        assert isinstance(pilot.app.screen, ImportScreen)
        assert "sha256 differs" in shown(pilot.app, "#notice").replace("\n", " ")
        assert list(places.artifacts().iterdir()) == []


async def test_verify_names_the_file_that_is_wrong(snapshot: Snapshot) -> None:
    folder = make_artifact(Path("tiny").absolute(), quality=QUALITY)
    shown_artifact = found.look(folder)
    (folder / "LICENSE").write_bytes(b"M" * (folder / "LICENSE").stat().st_size)
    async with make_app([shown_artifact]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("a")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("v")
        await settle(pilot)
        assert "LICENSE" in shown(pilot.app, "#notice").replace("\n", "")  # a path may be cut


def test_a_drive_pulled_out_leaves_nothing_half(drive: Path) -> None:
    source = drive / "tiny-intents-onnx"

    def pull_out(done: int, total: int) -> None:
        for path in source.iterdir():
            if path.name != "manifest.json":
                path.unlink(missing_ok=True)

    with pytest.raises(IntegrityError, match="Plug the drive in again"):
        importing.bring(source, on_bytes=pull_out)
    assert list(places.artifacts().iterdir()) == []


def test_the_same_artifact_is_copied_once_and_another_of_its_name_beside_it(drive: Path) -> None:
    first = importing.bring(drive / "tiny-intents-onnx")
    assert importing.bring(drive / "tiny-intents-onnx") == first
    other = make_artifact(drive / "other", licence="MIT")
    second = importing.bring(other)
    assert second != first
    assert second.name.startswith("tiny-intents-")
    verify(read(second))


def test_only_what_is_in_the_data_folder_can_be_removed(drive: Path) -> None:
    with pytest.raises(ArtifactError, match="not in the data folder"):
        importing.remove(drive / "tiny-intents-onnx")
    assert (drive / "tiny-intents-onnx" / "model.onnx").exists()


def test_artifacts_are_found_near_and_once_each(drive: Path) -> None:
    here = make_artifact(Path("demo/out/tiny").absolute())
    broken = Path("broken")
    broken.mkdir()
    (broken / "manifest.json").write_text("{}")
    (broken / "golden.json").write_text("{}")
    website = Path("website")
    website.mkdir()
    (website / "manifest.json").write_text("{}")
    entries = found.find([here])
    assert [(entry.folder, entry.source) for entry in entries] == [
        (here, "given"), (broken.absolute(), "here"),
    ]  # fmt: skip
    assert entries[0].fits
    assert "not the bytes that were written" in entries[1].wrong


async def test_a_broken_artifact_is_shown_with_what_is_wrong() -> None:
    broken = found.Found(Path("/x/broken"), "own", None, wrong="manifest.json: odd bytes [/b]")
    async with make_app([broken]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for key in ("enter", "2"):
            await pilot.press(key)
            assert isinstance(pilot.app.screen, HomeScreen)
            assert "odd bytes [/b]" in shown(pilot.app, "#notice")


_BUILD = """
import json, sys, time
for event in {events}:
    print(event if isinstance(event, str) else json.dumps(event), file=sys.stderr, flush=True)
{rest}
"""
_EVENTS = [
    "a warning of some library \x1b[31m",
    {"event": "step", "step": "finetune", "state": "progress", "fraction": 0.5, "eta_s": 75.0},
    {"event": "step", "step": "onnx", "state": "reused", "fraction": 1.0, "eta_s": None},
]


def scripted_build(rest: str) -> Callable[[Path], list[str]]:
    code = _BUILD.format(events=repr(_EVENTS), rest=rest)
    return lambda recipe: [sys.executable, "-c", code, str(recipe)]


async def start_build(pilot: Pilot[None]) -> None:
    Path("recipe.yaml").write_text("version: 1\n")
    await settle(pilot)
    await pilot.press("b")
    await settle(pilot)
    await pilot.press(*"recipe", "enter")
    await until(pilot, lambda: "finished earlier" in shown(pilot.app, "#steps"))


async def test_a_build_shows_its_steps_and_its_end(snapshot: Snapshot) -> None:
    result = json.dumps({"artifacts": [{"path": "out/x-onnx"}], "verdict": "PASS"})
    command = scripted_build(f"print({result!r})")
    async with make_app(build_command=command).run_test(size=(80, 24)) as pilot:
        await start_build(pilot)
        await settle(pilot)
        assert "Done: out/x-onnx (PASS)" in shown(pilot.app, "#notice")
        assert "about 1 min 15 s left" in shown(pilot.app, "#steps")
        assert shown(pilot.app, "#lines") == "a warning of some library"
        await snapshot(pilot)


async def test_a_build_is_stopped_and_goes_on() -> None:
    command = scripted_build(
        "try:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n"
        "    print('edgekit: interrupted; the same command goes on from here', file=sys.stderr)\n"
        "    sys.exit(130)"
    )
    async with make_app(build_command=command).run_test(size=(80, 24)) as pilot:
        await start_build(pilot)
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(pilot.app.screen, Question), "hours of work are not stopped by one key"
        await pilot.press("right", "enter")
        await until(pilot, lambda: "Stopped." in shown(pilot.app, "#notice"))
        assert "interrupted" not in shown(pilot.app, "#lines"), "the notice says it"
        await pilot.press("g")
        await until(pilot, lambda: "finished earlier" in shown(pilot.app, "#steps"))
    # Ends: leaving the app stops the build.


async def test_esc_leaves_a_build_running_and_home_leads_back_to_it(snapshot: Snapshot) -> None:
    go_on = Path("go on").resolve()
    result = json.dumps({"artifacts": [{"path": "out/x-onnx"}], "verdict": "PASS"})
    wait = f"import os\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.05)\n"
    wait += f"print({result!r})"
    async with make_app([scripted_found()], build_command=scripted_build(wait)).run_test(
        size=(80, 24)
    ) as pilot:
        await start_build(pilot)
        screen = pilot.app.screen
        for _ in range(2):
            await pilot.press("escape")
            await pilot.pause()
        home = pilot.app.screen
        assert isinstance(home, HomeScreen)
        await until(pilot, lambda: "b  recipe.yaml" in shown(pilot.app, "#building"))
        assert "100%" in shown(pilot.app, "#building")
        await snapshot(pilot)
        await pilot.press("b")
        await pilot.pause()
        assert pilot.app.screen is screen, "and no second one begins"
        assert "finished earlier" in shown(pilot.app, "#steps")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is home)
        go_on.touch()
        await settle(pilot)
        await until(pilot, lambda: "Done: out/x-onnx" in shown(pilot.app, "#building"))
        await pilot.press("b", "escape")
        await until(pilot, lambda: not home.query_one("#building").display)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(pilot.app.screen, BuildScreen))


async def test_a_build_that_fails_says_why() -> None:
    command = scripted_build("sys.exit('edgekit: recipe.yaml:1: no steps')")
    async with make_app(build_command=command).run_test(size=(80, 24)) as pilot:
        await start_build(pilot)
        await settle(pilot)
        assert "no steps" in shown(pilot.app, "#notice")


async def test_help_and_the_menu_know_every_key(snapshot: Snapshot) -> None:
    async with make_app().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("question_mark")
        await settle(pilot)
        text = "\n".join(
            str(static.render()) for static in pilot.app.screen.query(Static).results()
        )
        for word in ("Classify", "Label a file", "Artifacts", "Build", "Settings", "Jump", "Quit"):
            assert word in text
        await snapshot(pilot)
        await pilot.press("escape", "ctrl+p")
        await settle(pilot)
        await pilot.press(*"sett", "enter")
        await settle(pilot)
        assert "Settings" in shown(pilot.app, "#crumbs")


async def test_jump_goes_to_what_its_letter_stands_on() -> None:
    async with make_app([found.Found(Path("/x"), "own", None, wrong="w")]).run_test() as pilot:
        await settle(pilot)
        await pilot.press("ctrl+o")
        await settle(pilot)
        await pilot.press("j")  # the fifth: the four actions come first
        await settle(pilot)
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "artifacts"
        await pilot.press("ctrl+o", "a")
        await settle(pilot)
        assert pilot.app.screen.query_one(OptionList) is not pilot.app.focused

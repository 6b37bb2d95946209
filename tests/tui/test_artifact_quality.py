"""The artifact's screen says what was judged of any task, and bars for its languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from edgekit_tui import found, i18n
from edgekit_tui.i18n import SOURCE

from edgekit import tables
from tests.tasks.judgements import JUDGED, artifact_of
from tests.tui.scripted import make_app, settle, shown


async def quality_shown(folder: Path) -> str:
    async with make_app([found.look(folder)]).run_test(size=(80, 30)) as pilot:
        await settle(pilot)
        for key in ("a", "enter"):
            await pilot.press(key)
            await settle(pilot)
        return shown(pilot.app, "#quality")


@pytest.mark.parametrize("task", sorted(tables.TASKS))
async def test_what_was_judged_is_shown(task: str, tmp_path: Path) -> None:
    said = await quality_shown(artifact_of(tmp_path / "tiny", task, JUDGED[task]()).folder)
    assert "not judged" not in said
    for word in ("QUALITY BY LANGUAGE (", "PASS", "what was asked of it holds"):
        assert word in said
    for language in ("English", "Swahili"):
        [line] = [line for line in said.splitlines() if line.startswith(language)]
        assert line.endswith("%")
        assert ("kept ≥" in line) == (task != "chat"), "chat is judged by its distance"
    assert "all of these" not in said


@pytest.mark.parametrize(("low", "says"), [(1.1, "is better"), (0.9, "not shown to be better")])
async def test_what_casts_doubt_is_shown(low: float, says: str, tmp_path: Path) -> None:
    judged = JUDGED["classification"]()
    judged |= {"linear": {"rows": 90, "better": False, "kept_low": low}}
    said = await quality_shown(artifact_of(tmp_path / "tiny", "classification", judged).folder)
    [line] = [line for line in said.splitlines() if "linear model" in line]
    assert says in line


@pytest.mark.parametrize("task", sorted(tables.TASKS))
async def test_what_was_not_judged_says_so(task: str, tmp_path: Path) -> None:
    said = await quality_shown(artifact_of(tmp_path / "tiny", task, {}).folder)
    assert said == "Quality was not judged: the recipe named no test set."


@pytest.mark.parametrize("strange", [None, 7, "\x1b[2J", [[]], {"en": {"en": 1}}])
async def test_a_judgement_of_another_shape_breaks_no_screen(
    strange: object, tmp_path: Path
) -> None:
    for task, judge in JUDGED.items():
        judged = dict.fromkeys(judge(), strange)
        said = await quality_shown(artifact_of(tmp_path / task, task, judged).folder)
        assert "\x1b" not in said


async def test_what_the_bars_are_is_said_in_the_readers_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    artifact = artifact_of(tmp_path / "tiny", "chat", JUDGED["chat"]())
    try:
        said = await quality_shown(artifact.folder)
    finally:
        i18n.choose(SOURCE)
    assert "QUALITÉ PAR LANGUE (même choix que le grand modèle)" in said

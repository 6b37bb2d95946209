"""Walks with the keyboard alone: settings, each of which does something; another data folder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from edgekit_tui import moving, places, settings
from edgekit_tui.history import ChatSettings, History
from edgekit_tui.models import Models, open_isolated
from edgekit_tui.screens.folder import FolderScreen
from edgekit_tui.screens.settings import SettingsScreen
from textual.pilot import Pilot

from edgekit.errors import DataError, OutOfDisk, OutOfMemoryBudget
from edgekit.system import machine, paths
from tests.tiny.artifact import make_artifact
from tests.tui.scripted import ScriptedModel, make_app, make_manifest, settle, shown

Snapshot = Callable[..., Awaitable[None]]


async def test_settings_are_true_at_once_and_kept(snapshot: Snapshot) -> None:
    async with make_app().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("comma", "down", "right")
        await settle(pilot)
        assert pilot.app.theme == "light"
        assert settings.load()["theme"] == "light"
        await snapshot(pilot)
        await pilot.press("down", "down", "right")
        await settle(pilot)
        assert pilot.app.models.threads == 1
    assert (places.settings_file().stat().st_mode & 0o077) == 0


async def test_damaged_settings_are_said_and_the_app_starts() -> None:
    places.write_private(places.settings_file(), b"{")
    async with make_app().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "settings cannot be read" in shown(pilot.app, "#notice").replace("\n", " ")


async def test_labelled_files_are_kept_as_long_as_was_said() -> None:
    kept = places.private_folder(places.results()) / "letters.csv"
    kept.write_text("x")
    async with make_app().run_test() as pilot:
        await settle(pilot)
        assert kept.exists()
    async with make_app(values={"keep": "7"}).run_test() as pilot:
        await settle(pilot)
        assert kept.exists()
    async with make_app(values={"keep": "0"}).run_test() as pilot:
        await settle(pilot)
    assert not kept.exists()


def test_threads_and_memory_reach_the_model_and_a_change_opens_it_anew() -> None:
    opened: list[tuple[int | None, str | None]] = []

    def opener(folder: Path, threads: int | None, max_ram: str | None) -> ScriptedModel:
        opened.append((threads, max_ram))
        return ScriptedModel(make_manifest())

    kept = Models(opener)
    first = kept.get(Path("/a"))
    assert kept.get(Path("/a")) is first
    kept.threads = 2
    second = kept.get(Path("/a"))
    assert first.closed  # type: ignore[attr-defined]
    kept.max_ram = "1GB"
    kept.get(Path("/a"))
    assert second.closed  # type: ignore[attr-defined]
    assert opened == [(None, None), (2, None), (2, "1GB")]


def test_a_model_that_needs_more_memory_than_was_allowed_is_refused(tmp_path: Path) -> None:
    folder = make_artifact(tmp_path / "tiny")
    with pytest.raises(OutOfMemoryBudget):
        open_isolated(folder, 1, "1MB")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's own data folder, with a chat and a labelled file in it."""
    monkeypatch.delenv("EDGEKIT_DATA")
    monkeypatch.setattr(paths, "own_data_dir", lambda: tmp_path / "share")
    history = History(places.history_file())
    history.begin("tiny-chat", ChatSettings(), "hello")
    (places.private_folder(places.results()) / "letters.csv").write_text("text\nlamp\n")
    history.close()
    return tmp_path / "share"


async def choose_folder(pilot: Pilot[None], folder: Path) -> None:
    await settle(pilot)
    await pilot.press("comma", "f")
    await settle(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, FolderScreen)
    screen.query_one("PathInput").value = f"{folder}/"  # type: ignore[attr-defined]
    await settle(pilot)
    await pilot.press("ctrl+s")
    await settle(pilot)


async def test_the_data_folder_is_copied_and_used_and_the_old_one_stays(
    own: Path, tmp_path: Path
) -> None:
    (tmp_path / "stick").mkdir()
    settings.save({**settings.load(), "theme": "light"})
    async with make_app().run_test(size=(80, 24)) as pilot:
        await choose_folder(pilot, tmp_path / "stick")
        assert "stays as it is, until you remove it" in shown(
            pilot.app, "#question Static"
        ).replace("\n", " ")
        await pilot.press("right", "enter")
        await settle(pilot)
        await settle(pilot)
        assert isinstance(pilot.app.screen, SettingsScreen)
        assert "stick/EDGEKIT_DATA" in shown(pilot.app, "#status")
        assert [chat.title for chat in pilot.app.history.chats()] == ["hello"]  # type: ignore[attr-defined]
    new = tmp_path / "stick" / "EDGEKIT_DATA"
    assert places.home() == new, "also in the next app"
    assert settings.load()["theme"] == "light"
    assert (new / "results" / "letters.csv").read_text() == "text\nlamp\n"
    for path in (new, *new.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
    assert History(own / "chats.sqlite").chats()[0].title == "hello"
    assert not new.with_name("EDGEKIT_DATA.partial").exists()


async def test_a_data_folder_that_is_used_already_is_taken_as_it_is(
    own: Path, tmp_path: Path
) -> None:
    used = places.private_folder(tmp_path / "stick" / "EDGEKIT_DATA")
    History(used / "chats.sqlite").begin("tiny-chat", ChatSettings(), "other")
    async with make_app().run_test(size=(80, 24)) as pilot:
        await choose_folder(pilot, used)
        assert "nothing is copied" in shown(pilot.app, "#question Static").replace("\n", " ")
        await pilot.press("right", "enter")
        await settle(pilot)
        await settle(pilot)
        titles = [chat.title for chat in pilot.app.history.chats()]  # type: ignore[attr-defined]
        assert titles == ["other"]
    moving.move(own)
    assert places.home() == own, "and back again"
    assert History(places.history_file()).chats()[0].title == "hello"


async def test_where_the_environment_names_the_data_folder_none_is_chosen() -> None:
    async with make_app().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("comma", "f")
        await settle(pilot)
        assert "EDGEKIT_DATA says" in shown(pilot.app, "#notice")
        await pilot.press("ctrl+s")
        assert isinstance(pilot.app.screen, FolderScreen)


def test_a_copy_that_does_not_end_leaves_all_as_it_was(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "stick" / "EDGEKIT_DATA"

    def pulled_out(done: int, total: int) -> None:
        raise OSError(5, "Input/output error", str(new))

    with pytest.raises(DataError, match="Input/output"):
        moving.move(new, on_bytes=pulled_out)
    with pytest.raises(DataError, match="choose another"):
        moving.move(own / "results" / "EDGEKIT_DATA")
    with monkeypatch.context() as patch:
        patch.setattr(machine, "free_disk_bytes", lambda path: 10)
        with pytest.raises(OutOfDisk, match="less room"):
            moving.move(new)
    with monkeypatch.context() as patch:  # a drive whose file system knows no rights
        patch.setattr(places, "FOLDER_MODE", 0o755)
        with pytest.raises(DataError, match="knows no rights"):
            moving.move(new)
    assert places.home() == own
    assert [path.name for path in new.parent.iterdir()] == []


def test_a_data_folder_on_a_drive_that_is_not_there_is_a_sentence(
    own: Path, tmp_path: Path
) -> None:
    new = tmp_path / "stick" / "EDGEKIT_DATA"
    moving.move(new)
    new.rename(new.with_name("gone"))
    with pytest.raises(DataError, match="attach its drive"):
        make_app()
    assert not new.exists(), "nothing is begun in its place"

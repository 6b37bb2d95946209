"""Where weights come from, and under which licence, is never lost on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.checkpoint import licences


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("first", "second", "third")]
    for folder in made:
        folder.mkdir()
    return made


def test_licence_and_origin_are_carried_as_often_as_one_likes(folders: list[Path]) -> None:
    first, second, third = folders
    (first / "README.md").write_text("---\nlicense: 'mit'\nbase_model: big/one\n---\nText.\n")
    (first / "LICENSE").write_text("Do what you like.\n")
    licences.carry(first, second)
    licences.carry(second, third)
    assert licences.origin(third) == licences.Origin("big/one", "mit")
    assert licences.files(third)[0].read_text() == "Do what you like.\n"
    assert (second / "README.md").read_bytes() == (third / "README.md").read_bytes()


def test_a_folder_without_a_card_is_known_by_its_name(folders: list[Path]) -> None:
    first, second, _ = folders
    licences.carry(first, second)
    assert licences.origin(first) == licences.Origin("first", "unknown")
    assert list(second.iterdir()) == []


def test_an_adapter_goes_by_its_own_name(folders: list[Path]) -> None:
    first, second, _ = folders
    for folder, name in ((first, "config.json"), (second, licences.ADAPTER)):
        (folder / name).write_text("{}")
        (folder / licences.CARD).write_text("---\nlicense: mit\nbase_model: big/one\n---\n")
    assert licences.origin(first) == licences.Origin("big/one", "mit")
    assert licences.origin(second) == licences.Origin("second", "mit")

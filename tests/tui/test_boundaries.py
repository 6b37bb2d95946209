"""What the app may import, and that every binding can be found and explained."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import edgekit_tui
import pytest
from edgekit_tui.screens import SCREENS, TASKS, screen_class
from edgekit_tui.screens.artifacts import ArtifactsScreen
from edgekit_tui.screens.page import Page
from textual.binding import Binding

from tests.tui.scripted import found, make_app, settle

SOURCE = Path(edgekit_tui.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
ALLOWED = (
    "artifact", "data", "errors", "model", "runtime", "store", "system", "tables", "tasks",
    "wording",
)  # fmt: skip
# Of a task, what judges it in a build is not for the app.
PROOF = ".proof"
NETWORK = {"socket", "urllib", "http", "requests", "ssl", "asyncio"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "edgekit":
                yield from (f"edgekit.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_stays_in_its_bounds(path: Path) -> None:
    names = set(imported(path))
    for name in names:
        head, _, rest = name.partition(".")
        assert head not in NETWORK, name
        if head == "edgekit" and rest:
            assert rest.split(".")[0] in ALLOWED, name
            assert PROOF not in name
    text = path.read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert len(text.splitlines()) <= 400
    assert "print(" not in text


@pytest.mark.parametrize("name", SCREENS)
def test_every_screen_explains_itself_and_every_key_has_an_id_and_a_word(name: str) -> None:
    screen = screen_class(name)
    assert isinstance(screen, type)
    assert issubclass(screen, Page)
    assert screen.HELP_TEXT
    for binding in screen.BINDINGS:
        assert isinstance(binding, Binding)
        assert not binding.show or (binding.id and binding.description), binding


def test_every_task_of_the_table_has_a_screen() -> None:
    assert set(TASKS.values()) <= set(SCREENS)


async def test_the_mouse_presses_the_keys_at_the_bottom() -> None:
    async with make_app([found()]).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.click("KeyBar", offset=(13, 0))  # "a Artifacts"
        await settle(pilot)
        assert isinstance(pilot.app.screen, ArtifactsScreen)

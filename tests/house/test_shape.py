"""The layout holds: few files at the top, floors, no circles, small modules, tasks named once."""

from __future__ import annotations

import re
import statistics

import grimp
import pytest

from edgekit import tables
from tests.house import layout
from tests.house.shape import PACKAGES, lines

# Where a task may be named: its own folder, the tables, its commands and its screens.
HOMES = (
    "edgekit/tasks/",
    "edgekit/tables.py",
    "edgekit/cli/chat.py",
    "edgekit/cli/classify.py",
    "edgekit/cli/extract.py",
    "edgekit/cli/summarize.py",
    "edgekit/cli/translate.py",
    "tui/edgekit_tui/screens/__init__.py",
    "tui/edgekit_tui/screens/chat.py",
    "tui/edgekit_tui/screens/classify.py",
    "tui/edgekit_tui/screens/summarize.py",
    "tui/edgekit_tui/screens/translate.py",
)
# The same letters in another sense.
OTHER_SENSES = {
    "edgekit/cli/__init__.py": "the command `chat`",
    "edgekit/model.py": "the verb `chat`",
    "edgekit/artifact/manifest.py": "the key of `model` that holds what is known of a chat model",
    "edgekit/export/gguf/reading.py": "the key of a record that tells of the chat template",
    "edgekit/export/gguf/llama_cpp_converter.py": "the same",
    "tui/edgekit_tui/screens/chats.py": "a file's name where a conversation has none",
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return layout.graph()


def test_six_files_at_most_lie_directly_in_the_package() -> None:
    found = [path.name for path in (layout.ROOT / "edgekit").iterdir() if path.is_file()]
    assert len(found) <= 6, sorted(found)


def test_no_folders_import_each_other(graph: grimp.ImportGraph) -> None:
    assert layout.circles(graph) == []


def test_nothing_imports_a_higher_floor(graph: grimp.ImportGraph) -> None:
    assert layout.upward(graph) == []


def test_modules_are_small() -> None:
    sizes = {path: lines(path) for path in layout.sources(*PACKAGES) if path.name != "__init__.py"}
    assert [str(path) for path, size in sizes.items() if size > 400] == []
    assert statistics.median(sizes.values()) <= 120


def test_no_other_file_tells_tasks_apart() -> None:
    paths = [
        path
        for path in layout.sources(*PACKAGES)
        if not (place := str(path.relative_to(layout.ROOT))).startswith(HOMES)
        and place not in OTHER_SENSES
    ]
    assert layout.named(paths, frozenset(tables.TASKS)) == []


def test_contributing_names_files_that_are_there() -> None:
    text = (layout.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:edgekit|tests|tui)/[\w/<>.]+)`", text)
    assert len(named) > 25
    for place in named:
        found = place.replace("<task>", "classification")
        assert (layout.ROOT / found).exists(), place

"""The app's screens, one per file; a screen is found by its name in SCREENS.

A task gets its screen by its lines in ACTIONS, TASKS and TASK_NAMES: nothing else in the app
distinguishes tasks.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from edgekit_tui.i18n import N_

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from edgekit_tui.screens.page import Page

SCREENS = {
    "home": "edgekit_tui.screens.home:HomeScreen",
    "classify": "edgekit_tui.screens.classify:ClassifyScreen",
    "chat": "edgekit_tui.screens.chat:ChatScreen",
    "chats": "edgekit_tui.screens.chats:ChatsScreen",
    "chat_settings": "edgekit_tui.screens.chat_settings:ChatSettingsScreen",
    "summarize": "edgekit_tui.screens.summarize:SummarizeScreen",
    "document": "edgekit_tui.screens.document:DocumentScreen",
    "summary": "edgekit_tui.screens.summary:SummaryScreen",
    "translate": "edgekit_tui.screens.translate:TranslateScreen",
    "file": "edgekit_tui.screens.file:FileScreen",
    "column": "edgekit_tui.screens.file:ColumnScreen",
    "labelling": "edgekit_tui.screens.labelling:LabellingScreen",
    "results": "edgekit_tui.screens.results:ResultsScreen",
    "artifacts": "edgekit_tui.screens.artifacts:ArtifactsScreen",
    "artifact": "edgekit_tui.screens.artifact:ArtifactScreen",
    "import": "edgekit_tui.screens.artifacts:ImportScreen",
    "build": "edgekit_tui.screens.build:BuildScreen",
    "samples": "edgekit_tui.screens.samples:SamplesScreen",
    "building": "edgekit_tui.screens.build:BuildingScreen",
    "settings": "edgekit_tui.screens.settings:SettingsScreen",
    "folder": "edgekit_tui.screens.folder:FolderScreen",
    "export": "edgekit_tui.screens.export:ExportScreen",
    "recent": "edgekit_tui.screens.recent:RecentScreen",
    "review": "edgekit_tui.screens.review:ReviewScreen",
}


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a user wants to do, and the tasks of artifacts that do it."""

    key: str
    screen: str
    title: str
    about: str
    tasks: tuple[str, ...]


# Digits: every keyboard has them, whatever its script.
ACTIONS = (
    Action("1", "chat", N_("Chat"), N_("ask a model"), ("chat",)),
    Action("2", "classify", N_("Classify"), N_("one text"), ("classification",)),
    Action("3", "summarize", N_("Summarize"), N_("a long text"), ("summarization", "chat")),
    Action("4", "file", N_("Label a file"), N_("a whole table"), ("classification",)),
)

TASKS = {
    "classification": "classify",
    "chat": "chat",
    "summarization": "summarize",
    "translation": "translate",
}
"""The screen in which an artifact of each task is used."""
TASK_NAMES = {
    "classification": N_("classification"),
    "summarization": N_("summarization"),
    "chat": N_("chat"),
    "translation": N_("translation"),
}


TALKING = ("chat",)
"""Tasks whose artifacts go on with a chat that is kept, in the screen of that name."""


def screen_class(name: str) -> Callable[..., Page]:
    module, _, found = SCREENS[name].partition(":")
    return cast("Callable[..., Page]", getattr(importlib.import_module(module), found))


def task_screen(task: str, folder: Path) -> Page | None:
    """The screen in which an artifact of this task is used; None where there is none yet."""
    return screen_class(TASKS[task])(folder) if task in TASKS else None

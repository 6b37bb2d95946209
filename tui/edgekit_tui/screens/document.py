"""Summarize a file, first: which one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from textual import on
from textual.widget import Widget
from textual.widgets import Static

from edgekit.data.documents import READERS
from edgekit_tui.i18n import N_, _
from edgekit_tui.screens.page import Page
from edgekit_tui.widgets.picker import Picker


class DocumentScreen(Page):
    TITLE_TEXT = N_("Open a file")
    HELP_TEXT = N_(
        "Choose what is to be read. Type a part of a name to find it, or a whole path. The file "
        "itself stays as it is."
    )

    def __init__(self, take: Callable[[Path], None]) -> None:
        """`take` receives the chosen file."""
        super().__init__()
        self._take = take

    def body(self) -> Iterable[Widget]:
        lead = _("Choose a text: {formats}").format(formats=" ".join(READERS))
        yield Static(lead, classes="lead", markup=False)
        yield Picker(Path.cwd(), is_document)

    def fill(self) -> None:
        self.query_one(Picker).focus_path()

    @on(Picker.Picked)
    def picked(self, event: Picker.Picked) -> None:
        self.app.pop_screen()
        self._take(event.path)


def is_document(path: Path) -> bool:
    return path.suffix.lower() in READERS and path.is_file()

"""Artifacts: lists, imports from a drive, inspects and removes them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgekit.artifact.folder import MANIFEST
from edgekit_tui import found, importing
from edgekit_tui.found import Found
from edgekit_tui.i18n import N_, _, size
from edgekit_tui.messages import ArtifactsFound, Brought, Said
from edgekit_tui.screens.copying import CopyingPage
from edgekit_tui.screens.home import describe, speeds
from edgekit_tui.screens.page import Page
from edgekit_tui.widgets.bar import Bar
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.picker import Picker


class ArtifactsScreen(Page):
    TITLE_TEXT = N_("Artifacts")
    HELP_TEXT = N_(
        "All artifacts of this computer and of drives with a folder named EDGEKIT_DATA. Import "
        "copies one into the data folder and checks every byte on the way."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("i", "bring", N_("Import"), id="artifacts.import"),
        Binding("delete", "remove", N_("Remove"), id="artifacts.remove"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Found] = []

    def body(self) -> Iterable[Widget]:
        yield Notice(id="notice")
        yield _List(id="artifacts", markup=False)

    def fill(self) -> None:
        self.query_one("#artifacts").focus()
        self._show()

    async def on_screen_resume(self) -> None:
        await super().on_screen_resume()
        self.search()

    @work(thread=True, exclusive=True, group="search")
    def search(self) -> None:
        self.post_message(ArtifactsFound(self.edgekit.find()))

    @on(ArtifactsFound)
    def take(self, message: ArtifactsFound) -> None:
        self.found = message.found
        self._show()

    def _show(self) -> None:
        options = self.query_one("#artifacts", OptionList)
        chosen = options.highlighted or 0
        measured = speeds(self.edgekit.models.speeds())
        options.clear_options()
        options.add_options(Option(describe(entry, measured)) for entry in self.found)
        if self.found:
            options.highlighted = min(chosen, len(self.found) - 1)
        self.refresh_bindings()

    @property
    def chosen(self) -> Found | None:
        place = self.query_one("#artifacts", OptionList).highlighted
        return self.found[place] if place is not None and place < len(self.found) else None

    @on(OptionList.OptionHighlighted)
    def changed(self) -> None:
        self.refresh_bindings()

    @on(OptionList.OptionSelected)
    def look(self) -> None:
        if self.chosen is None:
            return
        if self.chosen.artifact is None:
            self.notice(self.chosen.wrong)
        else:
            self.edgekit.open_screen("artifact", self.chosen)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "remove":
            return self.chosen is not None and importing.is_own(self.chosen.folder)
        return True

    def action_bring(self) -> None:
        self.edgekit.open_screen("import")

    def action_remove(self) -> None:
        if self.chosen is None:
            return
        gone = self.chosen
        disk = gone.artifact.manifest.needs.disk_bytes if gone.artifact else 0
        question = _("Remove {name} ({size})? This cannot be undone.")
        question = question.format(name=gone.name, size=size(disk))
        self.edgekit.ask(question, _("Remove"), lambda: self._remove(gone))

    @work(thread=True, group="remove")
    def _remove(self, gone: Found) -> None:
        """In a thread: closing the model waits for what it is doing."""
        with self.reporting(gone.folder):
            self.edgekit.models.close()
            importing.remove(gone.folder)
            self.post_message(Said(_("{name} was removed.").format(name=gone.name)))

    def fail(self, sentence: str) -> None:
        super().fail(sentence)
        self.search()

    @on(Said)
    def take_word(self, message: Said) -> None:
        self.notice(message.text, kind="hint")
        self.search()


class _List(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", N_("Look at it"), id="artifacts.look")
    ]


class ImportScreen(CopyingPage):
    TITLE_TEXT = N_("Import")
    COPIED_TEXT = N_("{done} of {total} copied and checked")
    HELP_TEXT = N_(
        "Choose the folder of an artifact, for example on a USB drive. It is copied into the data "
        "folder, and every byte is checked. Should the drive be pulled out, nothing half is kept."
    )

    def body(self) -> Iterable[Widget]:
        yield Static(
            _("Choose the folder of an artifact: one with a file {name}").format(name=MANIFEST),
            classes="lead", markup=False,
        )  # fmt: skip
        yield Notice(id="notice")
        yield Picker(next(iter(found.drives()), Path.cwd()), is_artifact)
        yield Static("", id="status", markup=False)
        yield Bar(id="bar")

    def fill(self) -> None:
        self._set_busy(self._busy)
        self.query_one(Picker).focus_path()

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        self.query_one(Picker).display = not busy
        self.query_one("#bar").display = busy

    @on(Picker.Picked)
    def picked(self, event: Picker.Picked) -> None:
        self._set_busy(True)
        self.query_one("#notice", Notice).clear_text()
        self.bring(event.path)

    @work(thread=True, exclusive=True, group="import")
    def bring(self, folder: Path) -> None:
        with suppress(importing.Stopped), self.reporting(folder):
            self.post_message(Brought(importing.bring(folder, on_bytes=self._tell)))

    @on(Brought)
    def take(self, message: Brought) -> None:
        brought = found.look(message.folder, "own")
        self.app.switch_screen(self.edgekit.make_screen("artifact", brought))

    def fail(self, sentence: str) -> None:
        self._set_busy(False)
        self.query_one("#status", Static).update("")
        super().fail(sentence)
        self.query_one(Picker).focus_path()


def is_artifact(path: Path) -> bool:
    return (path / MANIFEST).is_file()

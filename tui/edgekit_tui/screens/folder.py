"""The data folder: where everything is kept; copies its contents to another one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from edgekit_tui import importing, moving, places
from edgekit_tui.i18n import N_, _, size
from edgekit_tui.messages import Moved
from edgekit_tui.screens.copying import CopyingPage
from edgekit_tui.text import content, path_text
from edgekit_tui.widgets.bar import Bar
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.picker import Picker


class FolderScreen(CopyingPage):
    TITLE_TEXT = N_("Data folder")
    COPIED_TEXT = N_("{done} of {total} copied")
    HELP_TEXT = N_(
        "Artifacts, chats, results, corrections and settings are kept in one folder, which nobody "
        "else can read. Open the folder in which it should be, then press ctrl s. The old folder "
        "stays as it is: remove it yourself when you no longer need it."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "choose", N_("Keep it here"), id="folder.choose", priority=True),
    ]

    def body(self) -> Iterable[Widget]:
        now = _("Now everything is in {path}. Open the folder in which it should be:")
        yield Static(
            content(now.format(path=path_text(places.home()))), classes="lead", markup=False
        )
        yield Notice(id="notice")
        yield Picker(places.home().parent, lambda path: False)
        yield Bar(id="bar")
        yield Static("", id="status", markup=False)

    def fill(self) -> None:
        self._set_busy(self._busy)
        if places.named():
            self.query_one(Picker).display = self.query_one("#status").display = False
            said = _(
                "EDGEKIT_DATA says where the data folder is; start the app without it to choose."
            )
            self.notice(said, kind="hint")

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        self.query_one(Picker).display = not busy
        self.query_one("#bar").display = busy
        if not busy:
            self.query_one(Picker).focus_path()
            self.opened()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return not (self._busy or places.named()) if action == "choose" else True

    @property
    def chosen(self) -> Path:
        return moving.target(self.query_one(Picker).folder.resolve())

    @on(Input.Changed)
    def opened(self) -> None:
        told = _("It would be {path}").format(path=path_text(self.chosen))
        self.query_one("#status", Static).update(content(told))

    def action_choose(self) -> None:
        folder, now = self.chosen, places.home()
        if moving.is_used(folder):
            question = _("{path} is used already: what is there is shown from now on, and nothing "
                         "is copied. {old} stays as it is.")  # fmt: skip
            yes = _("Use it")
        else:
            question = _("{size} are copied to {path} and used there. {old} stays as it is, until "
                         "you remove it yourself.")  # fmt: skip
            yes = _("Copy")
        question = question.format(
            size=size(moving.size_bytes()), path=path_text(folder), old=path_text(now)
        )
        self.edgekit.ask(question, yes, lambda: self._start(folder))

    def _start(self, folder: Path) -> None:
        self._set_busy(True)
        self.query_one("#notice", Notice).clear_text()
        self.edgekit.history.close()
        self.move(folder)

    @work(thread=True, exclusive=True, group="move")
    def move(self, folder: Path) -> None:
        with suppress(importing.Stopped), self.reporting():
            moving.move(folder, on_bytes=self._tell)
            self.post_message(Moved(folder))

    @on(Moved)
    def take(self, message: Moved) -> None:
        self.edgekit.take_data_folder()
        self.app.pop_screen()

    def fail(self, sentence: str) -> None:
        self._set_busy(False)
        super().fail(sentence)

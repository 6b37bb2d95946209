"""Settings, generated from their table; each change applies and is kept at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static

from edgekit_tui import i18n, places, settings
from edgekit_tui.i18n import N_, _, number
from edgekit_tui.screens.page import Page
from edgekit_tui.settings import SETTINGS
from edgekit_tui.text import content, path_text
from edgekit_tui.widgets.choices import Choices
from edgekit_tui.widgets.notice import Notice


class SettingsScreen(Page):
    TITLE_TEXT = N_("Settings")
    HELP_TEXT = N_("Choose a setting with the up and down keys; left and right change it.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "folder", N_("Data folder"), id="settings.folder"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._place = 0

    def body(self) -> Iterable[Widget]:
        yield Choices(SETTINGS, id="settings")
        yield Static("", id="about", markup=False)
        yield Notice(id="notice")
        yield Static("", id="status", markup=False)

    def fill(self) -> None:
        choices = self.query_one(Choices)
        choices.show(self.edgekit.values, place=self._place)
        choices.focus()
        folder = _("Everything is kept in {path}").format(path=path_text(places.home()))
        self.query_one("#status", Static).update(content(folder))
        self._explain()

    @on(OptionList.OptionHighlighted)
    def moved(self, event: OptionList.OptionHighlighted) -> None:
        self._place = event.option_index
        self._explain()

    def action_folder(self) -> None:
        self.edgekit.open_screen("folder")

    async def on_screen_resume(self) -> None:
        await super().on_screen_resume()
        self.fill()  # the data folder may have changed, and has its own settings

    def _explain(self) -> None:
        text = _(SETTINGS[self._place].help)
        unconfirmed = i18n.current().unconfirmed
        if SETTINGS[self._place].key == "language" and unconfirmed:
            note = _(
                "This translation was made by a machine; {count} texts wait for a speaker to "
                "confirm them."
            )
            text += "\n" + note.format(count=number(unconfirmed))
        self.query_one("#about", Static).update(Content(text))

    @on(Choices.Changed)
    async def change(self, message: Choices.Changed) -> None:
        values = self.edgekit.values
        values[message.key] = message.value
        self.edgekit.apply_settings()
        if message.key == "language":
            await self.recompose()
        self.fill()
        self.app.refresh(layout=True)
        for widget in self.walk_children():
            widget.refresh()
        try:
            settings.save(values)
        except OSError as error:
            text = _("{path}: this cannot be written ({reason}); the setting is lost on leaving.")
            text = text.format(path=error.filename, reason=error.strerror)
            self.notice(text, kind="warning")

"""Settings, generated from their table; each change is true and kept at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgekit_tui import i18n, places, settings
from edgekit_tui.i18n import N_, _, number
from edgekit_tui.screens.page import Page
from edgekit_tui.settings import SETTINGS, Setting
from edgekit_tui.text import content, path_text
from edgekit_tui.widgets.notice import Notice

_TITLES = 32


class SettingsScreen(Page):
    TITLE_TEXT = N_("Settings")
    HELP_TEXT = N_("Choose a setting with the up and down keys; left and right change it.")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "change(1)", N_("Next choice"), id="settings.next", priority=True),
        Binding("left", "change(-1)", N_("Choice before"), id="settings.before", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._place = 0

    def body(self) -> Iterable[Widget]:
        yield OptionList(id="settings", markup=False)
        yield Static("", id="about", markup=False)
        yield Notice(id="notice")
        yield Static("", id="status", markup=False)

    def fill(self) -> None:
        options = self.query_one("#settings", OptionList)
        options.clear_options()
        options.add_options(Option(self._line(setting)) for setting in SETTINGS)
        options.highlighted = self._place
        options.focus()
        folder = _("Everything is kept in {path}").format(path=path_text(places.home()))
        self.query_one("#status", Static).update(content(folder))
        self._explain()

    def _line(self, setting: Setting) -> Content:
        chosen = self.edgekit.values[setting.key]
        value = _(setting.choices[chosen])
        title = Content(_(setting.title))
        gap = " " * max(1, _TITLES - title.cell_length)
        return Content.assemble(title, gap, (f"‹ {value} ›", "$primary"), "\n")

    @on(OptionList.OptionHighlighted)
    def moved(self, event: OptionList.OptionHighlighted) -> None:
        self._place = event.option_index
        self._explain()

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

    @on(OptionList.OptionSelected)
    async def selected(self) -> None:
        await self.action_change(1)

    async def action_change(self, by: int) -> None:
        setting = SETTINGS[self._place]
        keys = list(setting.choices)
        values = self.edgekit.values
        place = keys.index(values[setting.key])
        values[setting.key] = keys[(place + by) % len(keys)]
        self.edgekit.apply_settings()
        if setting.key == "language":
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
            self.query_one("#notice", Notice).say(text, kind="warning")

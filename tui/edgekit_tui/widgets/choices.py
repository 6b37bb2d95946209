"""A list of settings, each with one choice among few; left and right change the current one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from edgekit_tui.i18n import N_, _, current
from edgekit_tui.settings import Setting

_TITLES = 32
# In a narrower list the choice follows its title directly.
_LEAST_WIDTH = 56


class Choices(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "change(1)", N_("Next choice"), id="settings.next", priority=True),
        Binding("left", "change(-1)", N_("Choice before"), id="settings.before", priority=True),
    ]

    @dataclass
    class Changed(Message):
        key: str
        value: str

    def __init__(self, settings: Sequence[Setting], *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self._settings = settings
        self._values: Mapping[str, str] = {}

    @property
    def chosen(self) -> Setting:
        return self._settings[self.highlighted or 0]

    def offer(self, settings: Sequence[Setting]) -> None:
        """Replaces the settings; `show` follows."""
        self._settings = settings

    def show(self, values: Mapping[str, str], *, place: int | None = None) -> None:
        """Shows the current choices, by the settings' keys; `place` is the index to highlight."""
        place = (self.highlighted or 0) if place is None else place
        self._values = values
        self.clear_options()
        self.add_options(Option(self._line(setting)) for setting in self._settings)
        self.highlighted = place

    def _line(self, setting: Setting) -> Content:
        value = _(setting.choices[self._values[setting.key]])
        title = Content(_(setting.title))
        titles = _TITLES if self.size.width >= _LEAST_WIDTH else 0
        gap = " " * max(2, titles - title.cell_length)
        parts = (title, gap, (f"‹ {value} ›", "$primary"))
        return Content.assemble(*(parts[::-1] if current().base == "R" else parts), "\n")

    def on_resize(self) -> None:
        if self._values:
            self.show(self._values)

    def action_select(self) -> None:
        self.action_change(1)

    def action_change(self, by: int) -> None:
        setting = self.chosen
        keys = list(setting.choices)
        value = keys[(keys.index(self._values[setting.key]) + by) % len(keys)]
        self.post_message(self.Changed(setting.key, value))

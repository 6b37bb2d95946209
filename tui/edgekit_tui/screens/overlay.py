"""What stands above another screen, of which it shows a shade: that is turned for the eye already,
and what is turned twice reads backwards."""

from __future__ import annotations

from collections.abc import Sequence

from textual.command import CommandPalette
from textual.filter import LineFilter
from textual.widget import Widget

from edgekit_tui import bidi, i18n


class Overlay(Widget):
    """For screens, named after the base whose looks they have: their own lines are only the shade,
    and their widgets are turned as ever."""

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [one for one in filters if not isinstance(one, bidi.RightToLeft)]

    def on_mount(self) -> None:
        self.set_class(i18n.current().base == "R", "-rtl")


class Palette(CommandPalette, Overlay):
    """The menu."""

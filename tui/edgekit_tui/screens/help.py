"""Help: what the previous screen is for, and every key that does something there."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from edgekit_tui.i18n import N_, _, current
from edgekit_tui.screens.overlay import Overlay
from edgekit_tui.widgets.keybar import KeyBar


class HelpScreen(ModalScreen[None], Overlay):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,f1,question_mark", "dismiss", N_("Close"), id="help.close"),
    ]

    def __init__(self, text: str, keys: list[tuple[str, str]]) -> None:
        super().__init__()
        self._text, self._keys = text, keys

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(Content(self._text), markup=False)
            yield Static(_("KEYS"), classes="heading", markup=False)
            yield Static(self._table(), markup=False)
            yield Static(
                _("The mouse works too. Everything is in the menu: ctrl p."), id="help-end",
                markup=False,
            )  # fmt: skip
        yield KeyBar()

    def _table(self) -> Content:
        width = max((len(key) for key, _word in self._keys), default=0) + 3
        lines = []
        for key, word in self._keys:
            parts = ((key, "$key bold"), " " * (width - len(key)), word)
            lines.append(Content.assemble(*(parts[::-1] if current().base == "R" else parts)))
        return Content("\n").join(lines)

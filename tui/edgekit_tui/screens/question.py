"""A question before something that cannot be undone; Esc and Enter do no harm."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from edgekit_tui.i18n import N_, _
from edgekit_tui.screens.overlay import Overlay
from edgekit_tui.text import content


class Question(ModalScreen[bool], Overlay):
    AUTO_FOCUS = "#no"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", N_("Back"), id="question.no"),
        Binding("left,right,up,down", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self._question, self._yes = question, yes

    def compose(self) -> ComposeResult:
        with Vertical(id="question"):
            yield Static(content(self._question), markup=False)
            with Horizontal():
                yield Button(Content(_("No, keep it")), id="no")
                yield Button(content(self._yes), id="yes")

    @on(Button.Pressed)
    def answer(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

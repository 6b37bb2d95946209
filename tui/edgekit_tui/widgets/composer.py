"""The field in which a message is written: Enter sends it, ctrl j begins a new line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from edgekit_tui.i18n import N_
from edgekit_tui.widgets.field import TextField


class Composer(TextField):
    BINDINGS: ClassVar[list[BindingType]] = [
        # Before the field itself takes it for a new line.
        Binding("enter", "send", N_("Send"), id="chat.send", priority=True),
        Binding("ctrl+j", "new_line", N_("New line"), id="chat.line", show=False, priority=True),
    ]

    @dataclass
    class Sent(Message):
        text: str

    def action_send(self) -> None:
        if self.text.strip():
            self.post_message(self.Sent(self.text))

    def action_new_line(self) -> None:
        self.insert("\n")

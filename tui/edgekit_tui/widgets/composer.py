"""The field in which a message is written: Enter sends it, ctrl j starts a new line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Key
from textual.message import Message

from edgekit_tui.i18n import N_
from edgekit_tui.widgets.field import TextField


class Composer(TextField):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", N_("Send"), id="chat.send"),
        Binding("ctrl+j", "new_line", N_("New line"), id="chat.line", show=False),
    ]

    @dataclass
    class Sent(Message):
        text: str

    async def _on_key(self, event: Key) -> None:
        """Runs before the field takes Enter for a new line, and after the letters typed before it:
        a priority binding would overtake those where a slow machine lags."""
        act = {"enter": self.action_send, "ctrl+j": self.action_new_line}.get(event.key)
        if act is not None:
            event.stop()
            event.prevent_default()
            act()

    def action_send(self) -> None:
        if self.text.strip():
            self.post_message(self.Sent(self.text))

    def action_new_line(self) -> None:
        self.insert("\n")

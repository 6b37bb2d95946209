"""A field for text of any length: nothing to its right, since letter widths differ."""

from __future__ import annotations

from dataclasses import dataclass

from textual.events import Paste
from textual.message import Message
from textual.widgets import TextArea

MOST_PASTED = 50_000
"""Characters; a field with more would respond slower than people type."""


class TextField(TextArea):
    """Tab leaves it."""

    def __init__(self, text: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(
            text,
            placeholder=placeholder,
            id=id,
            compact=True,
            highlight_cursor_line=False,
            tab_behavior="focus",
        )


class LongTextField(TextField):
    """Hands over pasted text that is too long to edit."""

    @dataclass
    class Pasted(Message):
        text: str

    async def _on_paste(self, event: Paste) -> None:
        if len(event.text) > MOST_PASTED:
            event.stop()
            event.prevent_default()
            self.post_message(self.Pasted(event.text))

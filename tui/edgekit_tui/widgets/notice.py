"""A sentence to be read where it matters: an error with its remedy, or a hint."""

from __future__ import annotations

from textual.widgets import Static

from edgekit_tui.text import content


class Notice(Static):
    """Hidden while there is nothing to say."""

    def __init__(self, text: str = "", *, id: str | None = None) -> None:
        super().__init__(content(text), markup=False, id=id)
        self.display = bool(text)

    def say(self, text: str, *, kind: str = "error") -> None:
        """`kind` is "error", "warning" or "hint"."""
        self.set_classes(f"-{kind}")
        self.update(content(text))
        self.display = bool(text)

    def clear_text(self) -> None:
        self.say("")

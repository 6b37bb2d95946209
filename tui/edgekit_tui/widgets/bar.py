"""A bar for the finished share, over the whole width."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from edgekit_tui.widgets.scores import bar_line


class Bar(Static):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", markup=False, id=id)
        self._share = 0.0

    def show(self, share: float) -> None:
        self._share = share
        self.refresh()

    def render(self) -> Content:
        return bar_line(self._share, max(4, self.content_size.width), "$primary")

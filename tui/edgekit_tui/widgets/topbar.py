"""The line at the top: the current place on the left, and a quiet fact on the right."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from edgekit_tui.i18n import current
from edgekit_tui.text import one_line


class TopBar(Horizontal):
    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        name = Content.assemble(("edgekit", "$primary bold"))
        if self._title and current().base == "R":
            name = Content.assemble((self._title, "bold"), ("  ‹  ", "$muted"), name)
        elif self._title:
            name = Content.assemble(name, ("  ›  ", "$muted"), (self._title, "bold"))
        parts = [Static(name, id="crumbs", markup=False), Static("", id="fact", markup=False)]
        yield from reversed(parts) if current().base == "R" else parts

    def say(self, fact: str) -> None:
        """Replaces the fact; foreign text may be in it."""
        self.query_one("#fact", Static).update(Content(one_line(fact)))

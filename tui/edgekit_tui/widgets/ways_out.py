"""What can be done about a chat that has become longer than its model reads."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button

from edgekit_tui.i18n import N_, _

_WAYS = {
    "drop": N_("Leave out the oldest"),
    "new": N_("Ask in a new chat"),
    "shorten": N_("Shorten my message"),
}


class WaysOut(Horizontal):
    """Hidden until it is offered."""

    def compose(self) -> ComposeResult:
        for name, title in _WAYS.items():
            yield Button(Content(_(title)), id=name)

    def on_mount(self) -> None:
        self.display = False

    def offer(self, *, drop: bool, new: bool) -> None:
        """Focuses the first way that is open."""
        self.display = True
        open_ways = {"drop": drop, "new": new, "shorten": True}
        for name, is_open in open_ways.items():
            self.query_one(f"#{name}").display = is_open
        self.query_one(f"#{next(name for name, is_open in open_ways.items() if is_open)}").focus()

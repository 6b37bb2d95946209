"""A screen that copies: it shows the progress, and leaving it stops the copy."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.widgets import Static

from edgekit_tui import importing
from edgekit_tui.i18n import _, size
from edgekit_tui.messages import Progressed
from edgekit_tui.screens.page import Page
from edgekit_tui.widgets.bar import Bar


class CopyingPage(Page):
    COPIED_TEXT: ClassVar[str]
    """Shown while it copies, with {done} and {total}."""

    def __init__(self) -> None:
        super().__init__()
        self._busy = self._stopped = False

    def _tell(self, done: int, total: int) -> None:
        """Called by the copying thread, which an exception raised here ends."""
        if self._stopped:
            raise importing.Stopped
        self.post_message(Progressed(done, total))

    @on(Progressed)
    def take_progress(self, message: Progressed) -> None:
        text = _(self.COPIED_TEXT).format(done=size(message.done), total=size(message.total))
        self.query_one("#status", Static).update(text)
        self.query_one("#bar", Bar).show(message.done / max(1, message.total))

    def on_unmount(self) -> None:
        self._stopped = True

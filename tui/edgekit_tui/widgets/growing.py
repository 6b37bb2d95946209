"""An answer in the making: requested in a thread, drawn a few times a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.timer import Timer

from edgekit.errors import ContextOverflow, EdgekitError
from edgekit_tui.answering import Answering
from edgekit_tui.i18n import _, in_words
from edgekit_tui.messages import AnswerEnded, AnswerFailed, AnswerGrew
from edgekit_tui.widgets.turns import ModelTurn

if TYPE_CHECKING:
    from edgekit_tui.app import EdgekitApp

# Parsing Markdown for every word would cost ten times as much.
FLUSH_SECONDS = 0.4


class GrowingTurn(ModelTurn):
    """Disappears if the answer is empty."""

    def __init__(self, answering: Answering, folder: Path) -> None:
        super().__init__()
        self._answering, self._folder = answering, folder
        self._timer: Timer | None = None

    def on_mount(self) -> None:
        self._timer = self.set_interval(FLUSH_SECONDS, self.flow)
        self.call_later(self.flow)
        self.ask()

    async def flow(self) -> None:
        """Shows what has come since the last time; equally often however fast the model is."""
        await self.grow(self._answering.text)
        self.post_message(AnswerGrew(self._answering))

    @work(thread=True)
    def ask(self) -> None:
        models = cast("EdgekitApp", self.app).models
        try:
            ending = self._answering.run(models.get(self._folder))
            self.post_message(AnswerEnded(self._answering, ending))
        except EdgekitError as error:
            full = isinstance(error, ContextOverflow)
            self.post_message(AnswerFailed(self._answering, in_words(error), full))

    @on(AnswerEnded)
    async def end(self, message: AnswerEnded) -> None:
        self._stop()
        if message.ending.turn is None:
            self.remove()
        else:
            await self.finish(message.ending.turn)

    @on(AnswerFailed)
    async def fail(self, message: AnswerFailed) -> None:
        self._stop()
        if message.answering.text:
            await self.grow(message.answering.text)
            self.say_end(_("(cut off)"))
        else:
            self.remove()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()

    def on_unmount(self) -> None:
        self._answering.stop()

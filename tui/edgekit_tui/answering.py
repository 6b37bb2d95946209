"""One answer: requested, kept while it grows, stopped. Runs in a thread and knows no screens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edgekit.data.conversation import Reply
from edgekit.errors import EdgekitError
from edgekit.runtime.memory import context_of
from edgekit_tui import importance, transcript
from edgekit_tui.history import Chat, History, Turn
from edgekit_tui.i18n import in_words
from edgekit_tui.models import Answerer, Stream

# How much of an answer a crash or a power cut may cost.
KEEP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Ending:
    """A complete answer as it was kept, and what became of the question."""

    turn: Turn | None
    """None where no word was written."""
    left_out: int
    """Number of oldest turns that the model did not get."""


class Answering:
    def __init__(
        self,
        history: History,
        chat: Chat,
        *,
        again: Turn | None = None,
        goes_on: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`again` is an answer that a new one replaces once it has a word, or, where it `goes_on`,
        that is continued."""
        self.again = again
        self._begun = again.text if again is not None and goes_on else ""
        self.text = self._begun
        """The answer so far; grows while `run` does."""
        self.trouble = ""
        """Why a part of it could not be kept."""
        self._history, self._chat = history, chat
        self._clock = clock
        self._began = self._last = 0.0
        """When the first and the latest piece came."""
        self._stream: Stream | None = None
        self._stopped = threading.Event()
        self._ended = threading.Event()
        self._turn = again.id if again is not None else None
        self._kept = self._begun

    @property
    def words_per_second(self) -> float | None:
        """None until there is something to measure."""
        new = self.text[len(self._begun) :]
        words, seconds = importance.words(new), self._last - self._began
        return words / seconds if words > 1 and seconds > 0 else None

    def stop(self) -> None:
        self._stopped.set()
        if self._stream is not None:
            self._stream.cancel()

    def run(self, model: Answerer) -> Ending:
        """Requests the answer to the chat's last question and keeps it.

        What was written before an error is kept too. Raises ContextOverflow where the chat is
        longer than the model reads, WorkerError where its process died.
        """
        settings = self._chat.settings
        before = self.again.id if self.again is not None else None
        turns = self._history.turns(self._chat.id, most=None, before=before)
        context = context_of(model.manifest, None)
        sent = transcript.may_fit(turns, context) if settings.drop_oldest else turns
        messages = transcript.for_model(sent, settings.system)
        keeper = threading.Thread(target=self._keep_on, name="edgekit-keeper", daemon=True)
        keeper.start()
        try:
            self._stream = model.chat(
                messages,
                stream=True,
                max_tokens=settings.max_tokens,
                temperature=settings.temperature,
                when_full="drop_oldest" if settings.drop_oldest else "error",
                begun=self._begun,
            )
            if self._stopped.is_set():
                self._stream.cancel()
            for piece in self._stream:
                self._last = self._clock()
                self._began = self._began or self._last
                self.text += piece
            reply = self._stream.reply()
        except BaseException:
            self._end(keeper)
            self._keep()
            raise
        self._end(keeper)
        return self._finish(reply, left_out=len(turns) - len(sent) + len(reply.dropped))

    def _finish(self, reply: Reply, *, left_out: int) -> Ending:
        self.text = self._begun + reply.text
        if not reply.text and not (self._begun and reply.ended == "stop"):
            return Ending(None, left_out)
        tokens = reply.prompt_tokens + reply.tokens
        turn = self._history.answer(
            self._chat.id, self.text, turn=self._turn, ended=reply.ended, tokens=tokens
        )
        return Ending(turn, left_out)

    def _end(self, keeper: threading.Thread) -> None:
        self._ended.set()
        keeper.join()

    def _keep_on(self) -> None:
        while not self._ended.wait(KEEP_SECONDS):
            try:
                self._keep()
            except EdgekitError as error:
                self.trouble = in_words(error)  # shown; the end of the answer tries to save again

    def _keep(self) -> None:
        text = self.text
        if text and text != self._kept:
            self._turn = self._history.answer(self._chat.id, text, turn=self._turn).id
            self._kept = text

"""A chat model's answer while it is being made, taken piece by piece. Knows no engine."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from threading import Lock
from typing import Self

from edgekit.data.conversation import Ended, Reply
from edgekit.errors import EdgekitError
from edgekit.system.child import Exchange


class ChatStream(Iterator[str]):
    """An answer while it is being made: an iterator of pieces, each of whole characters.

    The model goes on writing, however slowly the pieces are taken; it stops when the stream is
    cancelled, closed or garbage-collected.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.text = ""
        """What was taken of the answer so far; at the end, all of it."""
        self._exchange = exchange
        self._reply: Reply | None = None
        self._failed: EdgekitError | None = None
        self._taking = Lock()
        self._forgotten = weakref.finalize(self, exchange.cancel)
        self._forgotten.atexit = False

    @property
    def ended(self) -> Ended | None:
        """Why the answer ended; None while it goes on."""
        return None if self._reply is None else self._reply.ended

    def cancel(self) -> None:
        """Stops the model at once; what it has written until then can still be taken."""
        self._exchange.cancel()

    def wait(self, seconds: float) -> None:
        """Waits until the answer has ended, taken or not, or the time is up."""
        self._exchange.ended.wait(seconds)

    def reply(self) -> Reply:
        """Takes what is left and returns the whole answer and how the prompt was read."""
        while self._reply is None:
            self._take()
        return self._reply

    def close(self) -> None:
        """Cancels the answer if it has not ended, and waits for its end."""
        if self._reply is None and self._failed is None:
            self.cancel()
            self.reply()

    def __next__(self) -> str:
        piece = None if self._reply is not None else self._take()
        if piece is None:
            raise StopIteration
        return piece

    def _take(self) -> str | None:
        """The next piece; None at the end."""
        with self._taking:
            if self._failed is not None:
                raise self._failed
            if self._reply is not None:
                return None
            try:
                heard = self._exchange.take()
            except EdgekitError as error:
                self._failed = error
                raise
            if "piece" in heard:
                self.text += heard["piece"]
                return str(heard["piece"])
            self._forgotten.detach()
            self._reply = Reply.from_json(heard["result"])
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

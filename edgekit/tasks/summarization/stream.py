"""A summary while it is being made, by a thread or by a worker; taken piece by piece. No model."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, Protocol, Self

from edgekit.system.cancel import Cancel
from edgekit.tasks.summarization.summary import Summary, Told

Finish = Callable[[Summary], Summary]
Make = Callable[[Callable[[Told], None], Cancel], Summary]
"""Makes a summary, reports its progress, and stops when it is cancelled."""


class Source(Protocol):
    """What reports a summary's progress; a worker's Exchange is one."""

    @property
    def ended(self) -> threading.Event: ...

    def take(self) -> dict[str, Any]:
        """Waits for the next `{"piece": …}` or the final `{"result": …}`."""

    def cancel(self) -> None: ...


class Here:
    """A Source whose work is done by a thread of this process."""

    def __init__(self, make: Make, *, on_cancel: Callable[[], None] = lambda: None) -> None:
        """`on_cancel` stops work that does not check the flag."""
        self.ended = threading.Event()
        self._cancel = Cancel()
        self._on_cancel = on_cancel
        self._heard: SimpleQueue[dict[str, Any] | BaseException] = SimpleQueue()
        threading.Thread(
            target=self._work, args=(make,), name="edgekit-summary", daemon=True
        ).start()

    def take(self) -> dict[str, Any]:
        heard = self._heard.get()
        if isinstance(heard, BaseException):
            raise heard
        return heard

    def cancel(self) -> None:
        self._cancel.set()
        self._on_cancel()

    def _work(self, make: Make) -> None:
        try:
            found = make(lambda told: self._heard.put({"piece": told.as_json()}), self._cancel)
            self._heard.put({"result": found.as_json()})
        except BaseException as error:  # raised to whoever takes
            self._heard.put(error)
        finally:
            self.ended.set()


class SummaryStream(Iterator[str]):
    """An iterator of pieces of text; between them `parts_read` goes up.

    The model goes on working, however slowly the pieces are taken; it stops when the stream is
    cancelled, closed or garbage-collected.
    """

    def __init__(
        self,
        source: Source,
        finish: Finish = lambda summary: summary,
        *,
        on_told: Callable[[Told], None] = lambda told: None,
    ) -> None:
        self.parts_read = 0
        self.parts = 0
        self.text = ""
        """What was taken of the summary so far."""
        self._source, self._finish, self._on_told = source, finish, on_told
        self._summary: Summary | None = None
        self._failed: Exception | None = None
        self._taking = threading.Lock()
        self._forgotten = weakref.finalize(self, source.cancel)
        self._forgotten.atexit = False

    def cancel(self) -> None:
        """Stops the model; what was read until then can still be taken."""
        self._source.cancel()

    def wait(self, seconds: float) -> None:
        """Waits until the summary is complete, taken or not, or the time is up."""
        self._source.ended.wait(seconds)

    def summary(self) -> Summary:
        """Takes what is left and returns the whole summary."""
        while self._summary is None:
            self._take()
        return self._summary

    def close(self) -> None:
        """Cancels the summary if it is still being made, and waits for its end."""
        if self._summary is None and self._failed is None:
            self.cancel()
            self.summary()

    def __next__(self) -> str:
        while self._summary is None:
            told = self._take()
            if told is not None and told.piece:
                return told.piece
        raise StopIteration

    def _take(self) -> Told | None:
        """The next report; None at the end."""
        with self._taking:
            if self._failed is not None:
                raise self._failed
            if self._summary is not None:
                return None
            try:
                heard = self._source.take()
            except Exception as error:
                # Not KeyboardInterrupt: that stops only the caller, who may go on taking.
                self._failed = error
                raise
            if "piece" in heard:
                told = Told(**heard["piece"])
                self.parts_read, self.parts = told.parts_read, told.parts
                self.text += told.piece
                self._on_told(told)
                return told
            self._forgotten.detach()
            self._summary = self._finish(Summary.from_json(heard["result"]))
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

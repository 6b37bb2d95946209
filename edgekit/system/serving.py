"""The child's side of a subprocess: `python -m edgekit.system.serving MODULE`. Knows no verb.

Answers requests (wire.py) by the MODULE's `VERBS` until its stdin closes, and then ends even in the
middle of work, so that it never outlives its parent.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, NoReturn

from edgekit.errors import EdgekitError, WorkerError
from edgekit.system import wire
from edgekit.system.cancel import Cancel, Cancelled
from edgekit.system.wire import Message


class Request(dict[str, Any]):
    """The fields of a message, and the way back to its sender."""

    def __init__(self, message: Message, server: Server) -> None:
        super().__init__(message)
        self.cancel = Cancel()
        self.server = server

    def tell(self, piece: Any) -> None:
        """Sends a piece of the reply while the rest is being made."""
        self.server.send({"id": self["id"], "piece": piece})


Verb = Callable[[Request], Mapping[str, Any]]


class Server:
    def __init__(self) -> None:
        # The streams are for messages alone: native code that prints does so to stderr.
        self._requests, self._replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        self._sending = threading.Lock()
        self._verbs: dict[str, Verb] = {}
        self._under_way: dict[int, Request] = {}
        self._queue: SimpleQueue[Request] = SimpleQueue()
        self._begin: Callable[[Request], object] = self._queue.put

    def serve(self, module: str) -> NoReturn:
        # Ctrl-C reaches every process of a terminal; the parent decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # On another thread, a cancel and the end are noticed even during native work.
        threading.Thread(target=self._listen, daemon=True).start()
        while True:
            self._answer(self._queue.get(), module)

    def offer(self, verbs: Mapping[str, Verb], *, at_once: int = 1) -> None:
        """Adds verbs; from now on, `at_once` requests are answered at the same time."""
        self._verbs.update(verbs)
        if at_once > 1:
            # Threads are made as requests come in.
            pool = ThreadPoolExecutor(at_once)
            self._begin = lambda request: pool.submit(self._answer, request)

    def send(self, message: Message) -> None:
        # It is not an error if nobody is left to take a reply.
        with self._sending, contextlib.suppress(BrokenPipeError):
            wire.send(self._replies, message)

    def _listen(self) -> NoReturn:
        while (message := wire.receive(self._requests)) is not None:
            if message["verb"] != "cancel":
                request = self._under_way[message["id"]] = Request(message, self)
                self._begin(request)
            elif (cancelled := self._under_way.get(message["id"])) is not None:
                cancelled.cancel.set()
        # Nobody waits for requests that are still running, nor for native threads to shut down.
        os._exit(0)

    def _answer(self, request: Request, module: str = "") -> None:
        try:
            if module and not self._verbs:
                # Only now: importing loads native libraries, which may print.
                self.offer(importlib.import_module(module).VERBS)
            if request["verb"] not in self._verbs:
                raise EdgekitError(f"This process has no '{request['verb']}'; load a model first.")
            found: Message = {"result": self._verbs[request["verb"]](request)}
        except Cancelled:
            told = WorkerError("This was cancelled; ask again.")
            found = {"error": wire.from_error(told)}
        except BaseException as error:  # the parent must hear of it, whatever it is
            found = {"error": wire.from_error(error)}
        del self._under_way[request["id"]]
        self.send({"id": request["id"], **found})


if __name__ == "__main__":
    Server().serve(sys.argv[1])

"""The process that holds a model for this one: started, asked, ended. Knows no task."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from itertools import count
from queue import SimpleQueue
from typing import Any, BinaryIO, cast

from edgekit import errors
from edgekit.errors import EdgekitError, WorkerError
from edgekit.runtime import wire

PATIENCE_SECONDS = 5
_KEPT_LINES = 20


class WorkerProcess:
    """One worker and the threads that listen to it."""

    def __init__(self) -> None:
        self._popen = _spawn()
        self._requests, self._replies, self._errors = (
            cast("BinaryIO", stream)
            for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        )
        # Garbage collection may end the worker from any thread, also one that holds this.
        self._lock = threading.RLock()
        self._ids = count()
        self._waiting: dict[int, Exchange] = {}
        self._said: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self.ended = False
        self._threads = [
            threading.Thread(target=target, name="edgekit-worker", daemon=True)
            for target in (self._drain, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    def begin(self, message: dict[str, Any]) -> Exchange:
        """Sends a request; several threads may, and may wait for their replies at once."""
        with self._lock:
            if self.ended:
                raise self._death()
            exchange = Exchange(self, next(self._ids))
            self._waiting[exchange.number] = exchange
            self.send({"id": exchange.number, **message})
            return exchange

    def send(self, message: dict[str, Any]) -> None:
        # If the worker is dead, the listening thread sees it too and tells all who wait.
        with self._lock, contextlib.suppress(OSError, ValueError):
            wire.send(self._requests, message)

    def kill(self) -> None:
        """Ends the worker in the middle of whatever it does."""
        self._popen.kill()

    def end(self) -> None:
        """Closes the worker's stdin, upon which it ends; sees to it that it does."""
        with self._lock:
            self.ended = True
        # What could not be sent was for a worker that is dead.
        with contextlib.suppress(OSError):
            self._requests.close()
        try:
            self._popen.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(PATIENCE_SECONDS)
        self._replies.close()
        self._errors.close()

    def _listen(self) -> None:
        while (reply := wire.receive(self._replies)) is not None:
            with self._lock:
                exchange = self._waiting[reply["id"]]
                if "piece" not in reply:
                    del self._waiting[reply["id"]]
            exchange.hear(reply)
        self._popen.wait()
        # What it said last is part of the message; another process may hold the pipe open.
        self._threads[0].join(PATIENCE_SECONDS)
        with self._lock:
            self.ended = True
            waiting, self._waiting = self._waiting, {}
        for exchange in waiting.values():
            exchange.hear(self._death())

    def _drain(self) -> None:
        """What the worker prints is kept for the message, and never fills the pipe."""
        for line in self._errors:
            self._said.append(line[:1000])

    def _death(self) -> WorkerError:
        code = self._popen.returncode
        how = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        last = self._said[-1].decode("utf-8", "replace").strip() if self._said else ""
        return WorkerError(
            f"The process that held the model ended ({how}{': ' if last else ''}{last}); "
            "the next call starts it again."
        )


class Exchange:
    """One request and what is replied to it: any number of pieces, then a result or an error."""

    def __init__(self, process: WorkerProcess, number: int) -> None:
        self.number = number
        self.ended = threading.Event()
        """Set when the last reply has come, taken or not."""
        self._process = process
        self._heard: SimpleQueue[dict[str, Any] | EdgekitError] = SimpleQueue()

    def hear(self, reply: dict[str, Any] | EdgekitError) -> None:
        self._heard.put(reply)
        if isinstance(reply, EdgekitError) or "piece" not in reply:
            self.ended.set()

    def take(self) -> dict[str, Any]:
        """Waits for the next `{"piece": …}` or, at last, `{"result": …}`; raises what went wrong.

        Not to be called after the end.
        """
        reply = self._heard.get()
        if isinstance(reply, EdgekitError):
            raise reply
        if "error" in reply:
            raise _as_error(reply["error"])
        return reply

    def result(self) -> Any:
        """Waits for the end; pieces are passed over."""
        while "result" not in (reply := self.take()):
            pass
        return reply["result"]

    def cancel(self) -> None:
        """Asks the worker to stop with this; it still replies."""
        self._process.send({"id": self.number, "verb": "cancel"})


def _spawn() -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise WorkerError("There is no Python program to start a worker with; do not isolate.")
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "edgekit.runtime.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # The worker must find what this process found, and nothing in the working folder.
            env={
                # See cli/__init__.py: threads that spin while they wait starve each other.
                "GOMP_SPINCOUNT": "1000",
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise WorkerError(
            f"A process for the model cannot be started ({error.strerror}); close other programs."
        ) from error


def _as_error(reply: dict[str, str]) -> EdgekitError:
    kind = getattr(errors, reply["type"], WorkerError)
    # Not through the constructor: some errors make their message from other arguments.
    return cast("EdgekitError", kind.__new__(kind, reply["message"]))

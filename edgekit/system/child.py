"""Subprocesses: starts them, sends requests, takes replies, ends them. Knows no verb.

A child answers by the `VERBS` of a module (serving.py). Its memory is freed when it ends, its peak
is its own, native code that aborts takes down nothing else, and it never outlives this process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from queue import SimpleQueue
from types import MappingProxyType, TracebackType
from typing import Any, BinaryIO, Self, cast

from edgekit.errors import EdgekitError, ExportError, WorkerError
from edgekit.system import room, wire
from edgekit.system.refusals import told

PATIENCE_SECONDS = 5
_KEPT_LINES = 20
_NOTHING: Mapping[str, Any] = MappingProxyType({})

Died = Callable[[str, str], EdgekitError]
"""Makes the error for a dead child, from how it ended and what it printed last."""


def ask(
    module: str,
    verb: str,
    request: Mapping[str, Any],
    *,
    doing: str,
    on_piece: Callable[[Any], None] = lambda piece: None,
) -> dict[str, Any]:
    """The answer of a child started for this alone; raises ExportError if `doing` failed."""
    with Child(module, _reason) as child:
        exchange = child.begin(verb, request)
        while "result" not in (reply := _taken(exchange, doing)):
            on_piece(reply["piece"])
        return dict(reply["result"])


def _taken(exchange: Exchange, doing: str) -> wire.Message:
    try:
        return exchange.take()
    except WorkerError as error:
        remedy = "try again, and report it where that does not help"
        if room.OUT_OF_MEMORY.search(str(error)):
            remedy = "close other programs and try again"
        raise ExportError(f"{doing} failed ({error}); {remedy}.") from error
    except EdgekitError as error:
        raise ExportError(f"{doing} failed: {error}") from error


def _reason(how: str, said: str) -> WorkerError:
    killed = how == "SIGKILL"
    return WorkerError("it was ended, as when the memory runs out" if killed else said or how)


class Child:
    """One child and the threads that listen to it."""

    def __init__(self, module: str, died: Died) -> None:
        self._process = _spawn(module)
        self._made_in = os.getpid()
        self._died = died
        self._requests, self._replies, self._errors = (
            cast("BinaryIO", stream)
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        # Garbage collection may end the child from any thread, even one that holds this.
        self._lock = threading.RLock()
        self._ids = count()
        self._waiting: dict[int, Exchange] = {}
        self._said: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self.ended = False
        self._threads = [
            threading.Thread(target=target, name="edgekit-child", daemon=True)
            for target in (self._drain, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    def begin(self, verb: str, request: Mapping[str, Any] = _NOTHING) -> Exchange:
        """Sends a request; several threads may do so and wait for their replies at once."""
        with self._lock:
            if self.ended:
                raise self._death()
            exchange = Exchange(self, next(self._ids))
            self._waiting[exchange.number] = exchange
            self.send({**request, "id": exchange.number, "verb": verb})
            return exchange

    def ask(self, verb: str, request: Mapping[str, Any] = _NOTHING) -> Any:
        return self.begin(verb, request).result()

    def send(self, message: Mapping[str, Any]) -> None:
        # If the child is dead, the listening thread notices too and wakes everyone who waits.
        with self._lock, contextlib.suppress(OSError, ValueError):
            wire.send(self._requests, message)

    def kill(self) -> None:
        """Ends the child in the middle of whatever it does."""
        self._process.kill()

    def end(self) -> None:
        """Closes the child's stdin, which ends it; kills it if it does not end.

        Does nothing in a forked copy of the process that made it, whose child it is not.
        """
        if os.getpid() != self._made_in:
            return
        with self._lock:
            self.ended = True
        # Whatever could not be sent was meant for a child that is dead.
        with contextlib.suppress(OSError):
            self._requests.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
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
        self._process.wait()
        # What it printed last is part of the message; another process may hold the pipe open.
        self._threads[0].join(PATIENCE_SECONDS)
        with self._lock:
            self.ended = True
            waiting, self._waiting = self._waiting, {}
        for exchange in waiting.values():
            exchange.hear(self._death())

    def _drain(self) -> None:
        """Keeps what the child prints for the error message, so that the pipe never fills up."""
        for line in self._errors:
            self._said.append(line[:1000])

    def _death(self) -> EdgekitError:
        code = self._process.returncode
        how = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        said = self._said[-1].decode("utf-8", "replace").strip() if self._said else ""
        return self._died(how, said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


class Exchange:
    """One request and its reply: any number of pieces, then a result or an error."""

    def __init__(self, child: Child, number: int) -> None:
        self.number = number
        self.ended = threading.Event()
        """Set when the last message has arrived, taken or not."""
        self._child = child
        self._heard: SimpleQueue[wire.Message | EdgekitError] = SimpleQueue()

    def hear(self, reply: wire.Message | EdgekitError) -> None:
        self._heard.put(reply)
        if isinstance(reply, EdgekitError) or "piece" not in reply:
            self.ended.set()

    def take(self) -> wire.Message:
        """Waits for the next `{"piece": …}` or the final `{"result": …}`; raises what went wrong.

        Must not be called after the end.
        """
        reply = self._heard.get()
        if isinstance(reply, EdgekitError):
            raise reply
        if "error" in reply:
            raise wire.to_error(reply["error"])
        return reply

    def result(self) -> Any:
        """Waits for the end, discarding pieces."""
        while "result" not in (reply := self.take()):
            pass
        return reply["result"]

    def cancel(self) -> None:
        """Asks the child to stop working on this; it still replies."""
        self._child.send({"id": self.number, "verb": "cancel"})


def environment() -> dict[str, str]:
    """The child must import what this process can, and nothing from the working folder."""
    return {
        # See cli/__init__.py: threads that spin while they wait starve one another.
        "GOMP_SPINCOUNT": "1000",
        **os.environ,
        # See runtime/ort.py: also where another package imports onnxruntime first.
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def _spawn(module: str) -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise WorkerError(told("no-python", {}))
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "edgekit.system.serving", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        full = error.errno in (errno.ENOMEM, errno.EAGAIN)
        remedy = "close other programs" if full else f"mend the Python at {sys.executable}"
        raise WorkerError(
            told("process-not-started", {"reason": error.strerror, "remedy": remedy})
        ) from error

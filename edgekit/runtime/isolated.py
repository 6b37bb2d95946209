"""A model in a process of its own, behind the same interface; a crash there is an error here."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from concurrent.futures import Future
from itertools import count
from typing import Any, BinaryIO, cast

import numpy as np

from edgekit import errors
from edgekit.artifact import Artifact
from edgekit.errors import EdgekitError, WorkerError
from edgekit.runtime import wire

_PATIENCE_SECONDS = 5
_KEPT_LINES = 20


class IsolatedEngine:
    """Asks a worker process; starts another where the last one died."""

    def __init__(self, artifact: Artifact, *, threads: int | None, max_ram: str | None) -> None:
        self._load = {
            "verb": "load",
            "folder": str(artifact.folder.resolve()),
            "digest": artifact.manifest.digest,
            "threads": threads,
            "max_ram": max_ram,
        }
        self._starting = threading.Lock()
        self._process, loaded = self._start()
        self.workers = int(loaded["workers"])
        self.version = str(loaded["version"])

    def logits(self, text: str, *, alone: bool) -> tuple[np.ndarray, int]:
        message = {"verb": "logits", "text": text, "alone": alone}
        result = self._running().ask(message)
        return np.array(result["logits"], dtype=np.float32), int(result["parts"])

    def close(self) -> None:
        self._finalize()

    def _running(self) -> _Process:
        with self._starting:
            if self._process.ended:
                self._finalize()
                self._process, _ = self._start()
            return self._process

    def _start(self) -> tuple[_Process, dict[str, Any]]:
        process = _Process()
        # For programs that never close their model: when it is forgotten, or at the very end.
        self._finalize = weakref.finalize(self, process.end)
        try:
            return process, process.ask(self._load)
        except BaseException:
            self._finalize()
            raise


class _Process:
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
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._said: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self.ended = False
        self._threads = [
            threading.Thread(target=target, name="edgekit-worker", daemon=True)
            for target in (self._drain, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Sends a request and waits for its result; several threads may ask at once."""
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            if self.ended:
                raise self._death()
            number = next(self._ids)
            self._waiting[number] = future
            # If the worker is dead, the listening thread sees it too and tells all who wait.
            with contextlib.suppress(OSError):
                wire.send(self._requests, {"id": number, **message})
        reply = future.result()
        if "error" in reply:
            raise _as_error(reply["error"])
        return cast("dict[str, Any]", reply["result"])

    def end(self) -> None:
        """Closes the worker's stdin, upon which it ends; sees to it that it does."""
        with self._lock:
            self.ended = True
        # What could not be sent was for a worker that is dead.
        with contextlib.suppress(OSError):
            self._requests.close()
        try:
            self._popen.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_PATIENCE_SECONDS)
        self._replies.close()
        self._errors.close()

    def _listen(self) -> None:
        while (reply := wire.receive(self._replies)) is not None:
            with self._lock:
                future = self._waiting.pop(reply["id"])
            future.set_result(reply)
        self._popen.wait()
        # What it said last is part of the message; another process may hold the pipe open.
        self._threads[0].join(_PATIENCE_SECONDS)
        with self._lock:
            self.ended = True
            waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            future.set_exception(self._death())

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
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
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

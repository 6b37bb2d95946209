"""The process that holds a model for another: `python -m edgekit.runtime.worker`.

It is spoken to over its stdin and stdout (wire.py): first {"verb": "load"}, then any number of
{"verb": "logits"}, each with an id that its reply repeats. It ends when its stdin does, so also
when the other process dies.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edgekit.errors import EdgekitError, IntegrityError
from edgekit.runtime import wire

if TYPE_CHECKING:
    from edgekit.runtime.engine import Engine

# Threads are made as requests come in; the other side has no more under way than it has threads.
_MOST_REQUESTS_AT_ONCE = 64


def main() -> None:
    requests, replies = _private_streams()
    # Ctrl-C reaches every process of a terminal; the other one decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = _Worker(replies)
    with ThreadPoolExecutor(_MOST_REQUESTS_AT_ONCE) as pool:
        while (message := wire.receive(requests)) is not None:
            pool.submit(worker.reply, message)
        # Nobody waits for the requests that still run.
        os._exit(0)


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """stdin and stdout for messages alone: native code that prints does so to stderr."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


class _Worker:
    def __init__(self, replies: BinaryIO) -> None:
        self._replies = replies
        self._sending = threading.Lock()
        self._engine: Engine | None = None
        self._verbs: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "load": self._load,
            "logits": self._logits,
        }

    def reply(self, message: dict[str, Any]) -> None:
        try:
            result = {"result": self._verbs[message["verb"]](message)}
        except EdgekitError as error:
            result = {"error": {"type": type(error).__name__, "message": str(error)}}
        except Exception as error:  # the other side must hear of it, whatever it is
            result = {"error": {"type": "WorkerError", "message": f"The worker broke: {error!r}"}}
        with self._sending:
            wire.send(self._replies, {"id": message["id"], **result})

    def _load(self, message: dict[str, Any]) -> dict[str, Any]:
        # Only now: importing takes native libraries in, and stdout must be out of their reach.
        from edgekit.artifact import read
        from edgekit.runtime.opening import open_engine

        artifact = read(Path(message["folder"]))
        if artifact.manifest.digest != message["digest"]:
            raise IntegrityError(
                f"{artifact.folder}: another artifact has taken this place since; load it again."
            )
        engine = open_engine(artifact, threads=message["threads"], max_ram=message["max_ram"])
        self._engine = engine
        return {"workers": engine.workers, "version": engine.version}

    def _logits(self, message: dict[str, Any]) -> dict[str, Any]:
        if self._engine is None:
            raise EdgekitError("The worker was asked before it had a model; load one first.")
        logits, parts = self._engine.logits(message["text"], alone=message["alone"])
        return {"logits": logits.tolist(), "parts": parts}


if __name__ == "__main__":
    main()

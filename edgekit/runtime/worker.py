"""The process that holds a model for another: `python -m edgekit.runtime.worker`.

It is spoken to over its stdin and stdout (wire.py): first {"verb": "load"}, or {"verb": "test"}
alone; then any number of the verbs of the artifact's task (its wire.py), each with an id that its
replies repeat, and {"verb": "cancel"} with the id of one that is under way. It ends when its stdin
does, so also when the other process dies.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from edgekit.errors import EdgekitError, IntegrityError
from edgekit.runtime import wire
from edgekit.runtime.cancel import Cancel, Cancelled
from edgekit.runtime.wire import Message, Verb

if TYPE_CHECKING:
    from edgekit.artifact.folder import Artifact


def main() -> None:
    requests, replies = _private_streams()
    # Ctrl-C reaches every process of a terminal; the other one decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A reply that nobody is left to take is no error.
    with contextlib.suppress(BrokenPipeError):
        _Worker(replies).serve(requests)
    # Nobody waits for the requests that still run, nor for native threads to be taken down.
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
        self._engine: Any = None
        self._verbs: Mapping[str, Verb] = {}
        self._cancels: dict[int, Cancel] = {}
        self._pool = ThreadPoolExecutor(1)

    def serve(self, requests: BinaryIO) -> None:
        """Until the other side ends the stream."""
        while (message := wire.receive(requests)) is not None:
            verb, number = message["verb"], message["id"]
            if verb == "cancel":
                if number in self._cancels:
                    self._cancels[number].set()
            elif verb in ("load", "test"):
                # At once: nothing else is under way.
                self._reply(number, partial(getattr(self, f"_{verb}"), message))
            else:
                self._cancels[number] = Cancel()
                self._pool.submit(self._answer, verb, message)

    def _answer(self, verb: str, message: Message) -> None:
        number = message["id"]

        def tell(piece: Message) -> None:
            self._send({"id": number, **piece})

        def work() -> Message:
            if verb not in self._verbs:
                raise EdgekitError(f"The worker has no model that can '{verb}'; load one first.")
            return self._verbs[verb](self._engine, message, self._cancels[number], tell)

        self._reply(number, work)
        del self._cancels[number]

    def _reply(self, number: int, work: Callable[[], Message]) -> None:
        try:
            found = {"result": work()}
        except EdgekitError as error:
            found = {"error": {"type": type(error).__name__, "message": str(error)}}
        except Cancelled:
            found = {"error": {"type": "WorkerError", "message": "This was cancelled; ask again."}}
        except Exception as error:  # the other side must hear of it, whatever it is
            found = {"error": {"type": "WorkerError", "message": f"The worker broke: {error!r}"}}
        self._send({"id": number, **found})

    def _send(self, message: Message) -> None:
        with self._sending:
            wire.send(self._replies, message)

    def _test(self, message: Message) -> Message:
        from edgekit.runtime.opening import self_test_here

        return {"answers": self_test_here(_artifact(message))}

    def _load(self, message: Message) -> Message:
        from edgekit.runtime.engine import Asked
        from edgekit.runtime.opening import open_engine
        from edgekit.tables import task_part

        artifact = _artifact(message)
        engine: Any = open_engine(artifact, Asked(**message["asked"]))
        self._engine = engine
        task = task_part(artifact.manifest.task, "wire")
        self._verbs = task.VERBS
        # Threads are made as requests come in.
        self._pool = ThreadPoolExecutor(task.AT_ONCE)
        return dict(task.facts(engine))


def _artifact(message: Message) -> Artifact:
    # Only now: importing takes native libraries in, and stdout must be out of their reach.
    from edgekit.artifact.folder import read

    artifact = read(Path(message["folder"]))
    if artifact.manifest.digest != message["digest"]:
        raise IntegrityError(
            f"{artifact.folder}: another artifact has taken this place since; load it again."
        )
    return artifact


if __name__ == "__main__":
    main()

"""Runs the command of a rule and calls its webhook, one event after the other. Judges nothing.

The stream of answers never waits for either: both happen on a thread of their own.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from edgekit.watching.rules import Do, Event

SECONDS = 30.0
"""How long a command or an address may take."""
MOST_WAITING = 1000

OnFailed = Callable[[Event, str], None]
"""Told of an event that could not be passed on, and why."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """An event goes to the address that the rules name, and to no other."""


# Neither a proxy of the environment: that is another address, too.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


class Actor:
    def __init__(self, on_failed: OnFailed) -> None:
        self._on_failed = on_failed
        self._waiting: queue.Queue[tuple[Event, Do] | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def act(self, event: Event, do: Do) -> None:
        if do.command or do.webhook is not None:
            try:
                self._waiting.put_nowait((event, do))
            except queue.Full:
                self._on_failed(event, f"{MOST_WAITING} events wait already")

    def close(self) -> None:
        """Returns when everything that waits is done."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (found := self._waiting.get()) is not None:
            event, do = found
            data = json.dumps(asdict(event), ensure_ascii=False).encode()
            if do.command:
                self._try(event, _run, do.command, data)
            if do.webhook is not None:
                self._try(event, _post, do.webhook, data)

    def _try(
        self, event: Event, function: Callable[[Any, bytes], None], to: Any, data: bytes
    ) -> None:
        try:
            function(to, data)
        except (OSError, ValueError, subprocess.SubprocessError, urllib.error.URLError) as error:
            self._on_failed(event, str(error) or type(error).__name__)


def _run(command: tuple[str, ...], data: bytes) -> None:
    subprocess.run(
        command,
        input=data,
        timeout=SECONDS,
        check=True,
        # stdout is the log's.
        stdout=subprocess.DEVNULL,
    )


def _post(address: str, data: bytes) -> None:
    request = urllib.request.Request(
        address, data, {"Content-Type": "application/json", "User-Agent": "edgekit"}
    )
    with _OPENER.open(request, timeout=SECONDS):
        pass

"""A build as a child process: its events, its words, its end. Imports nothing that builds."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError

# What `edgekit compress` needs beyond the runtime; looked for, never imported.
_NEEDED = ("torch", "transformers", "pydantic", "yaml")
REMEDY = "pip install 'edgekit[compress]'"


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A line of `edgekit compress --json`."""

    step: str
    state: str
    fraction: float
    eta_s: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    result: dict[str, Any] | None
    """What the command printed last, where it came that far."""


def can_build() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in _NEEDED)


def command(recipe: Path) -> list[str]:
    # -P: nothing in the working folder is taken for a module.
    return [sys.executable, "-P", "-m", "edgekit", "compress", str(recipe), "--json"]


class Build:
    """Runs in the calling thread; `stop` comes from another. What was finished is kept."""

    def __init__(
        self, arguments: Sequence[str], *, on_event: Callable[[StepEvent | str], None]
    ) -> None:
        self._arguments = arguments
        self._on_event = on_event
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def run(self) -> Ended:
        with self._lock:
            if self._stopped:
                return Ended(-signal.SIGINT, None)
            process = self._process = _spawn(self._arguments)
        answer: list[str] = []
        with process:
            reader = threading.Thread(target=_read, args=(process.stdout, answer.append))
            reader.start()
            _read(process.stderr, lambda line: self._on_event(parse(line)))
            reader.join()
        return Ended(process.returncode, _last_json(answer))

    def stop(self) -> None:
        """As Ctrl-C does: the step's progress is saved, and the same recipe goes on from there."""
        with self._lock:
            self._stopped = True
            if self._process is not None and self._process.poll() is None:
                self._process.send_signal(signal.SIGINT)


def _spawn(arguments: Sequence[str]) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONUTF8": "1"},
            # A Ctrl-C in the terminal is for the app, which decides what becomes of the build.
            start_new_session=True,
        )
    except OSError as error:
        raise EdgekitError(f"The build cannot be started ({error.strerror}).") from error


def _read(stream: Any, take: Callable[[str], object]) -> None:
    for line in stream:
        take(line.rstrip("\n"))


def parse(line: str) -> StepEvent | str:
    """An event, or the line itself: whatever else the command says is for its log."""
    try:
        value = json.loads(line)
        eta = value.get("eta_s")
        return StepEvent(
            str(value["step"]),
            str(value["state"]),
            float(value["fraction"]),
            None if eta is None else float(eta),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return line


def _last_json(lines: list[str]) -> dict[str, Any] | None:
    try:
        value = json.loads(lines[-1])
        return value if isinstance(value, dict) else None
    except (ValueError, IndexError):
        return None

"""An edgekit command as a subprocess: its events, its output, its end. Builds nothing."""

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

# What the commands need beyond the runtime, by extra; looked up, never imported.
_NEEDED = {
    "compress": ("torch", "transformers", "pydantic", "yaml"),
    "gguf": ("gguf", "llama_cpp"),
}


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A line of `--json`."""

    step: str
    state: str
    fraction: float
    eta_s: float | None
    note: str = ""
    """Something that the user should know about the step."""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    result: dict[str, Any] | None
    """What the command printed last, if it came that far."""


def remedy(*extras: str) -> str:
    """What to install so that the commands of these extras run; empty where nothing is missing."""
    missing = [
        extra
        for extra in extras
        if any(importlib.util.find_spec(name) is None for name in _NEEDED[extra])
    ]
    return f"pip install 'edgekit[{','.join(missing)}]'" if missing else ""


def command(*words: str | Path) -> list[str]:
    # -P: nothing in the working folder is mistaken for a module.
    return [sys.executable, "-P", "-m", "edgekit", *map(str, words), "--json"]


def compress(recipe: Path) -> list[str]:
    return command("compress", recipe)


def sample(name: str, folder: Path) -> list[str]:
    return command("sample", name, folder)


class Build:
    """Runs in the calling thread; `stop` is called from another. Finished steps are kept."""

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
        """Like Ctrl-C: the step's progress is saved, and the same recipe resumes from there."""
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
            # Ctrl-C in the terminal is for the app, which decides what becomes of the build.
            start_new_session=True,
        )
    except OSError as error:
        raise EdgekitError(f"The build cannot be started ({error.strerror}).") from error


def _read(stream: Any, take: Callable[[str], object]) -> None:
    for line in stream:
        take(line.rstrip("\n"))


def parse(line: str) -> StepEvent | str:
    """An event, or the line itself: everything else the command prints is for its log."""
    try:
        value = json.loads(line)
        eta = value.get("eta_s")
        return StepEvent(
            str(value["step"]),
            str(value["state"]),
            float(value["fraction"]),
            None if eta is None else float(eta),
            str(value.get("note") or ""),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return line


def _last_json(lines: list[str]) -> dict[str, Any] | None:
    try:
        value = json.loads(lines[-1])
        return value if isinstance(value, dict) else None
    except (ValueError, IndexError):
        return None

"""Runs a piece of export in a child process, whose memory is given back and whose peak is its own.

The child is a module of this package with `answer(main_work)` at its end: it prints one JSON line,
after any number of lines that `tell` prints, and ends when its stdin does, so that nothing goes on
writing after this process was killed. Native code that aborts ends the child alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError, ExportError

FRACTION = "fraction"


def run_apart(
    module: str,
    *arguments: object,
    doing: str,
    format: str = "onnx",
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """What the child answered; raises ExportError with its reason where it failed.

    `on_progress` hears the fractions that the child tells.
    """
    command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={
            # See cli/__init__.py: threads that spin while they wait starve each other.
            "GOMP_SPINCOUNT": "1000",
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        },
    ) as child:
        lines = _heard(child.stdout or (), on_progress)
    if child.returncode != 0 or not lines:
        reason = lines[-1] if lines else "it was ended, as when the memory runs out"
        raise ExportError(
            f"{format}: {doing} failed ({reason}); close other programs and try again."
        )
    found = dict(json.loads(lines[-1]))
    if "error" in found:
        raise ExportError(f"{format}: {doing} failed: {found['error']}")
    return found


def ask_apart(
    module: str,
    *verb: str,
    request: Mapping[str, Any],
    doing: str,
    format: str,
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """`run_apart` with a request as JSON, in a file whose path is the child's last argument."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "request.json"
        path.write_text(json.dumps(request), encoding="utf-8")
        return run_apart(module, *verb, path, doing=doing, format=format, on_progress=on_progress)


def _heard(output: Iterable[str], on_progress: Callable[[float], None] | None) -> list[str]:
    """The child's lines but those of its progress, which are passed on as they come."""
    lines = []
    for line in output:
        told = _fraction(line)
        if told is None:
            lines.append(line.rstrip("\n"))
        elif on_progress is not None:
            on_progress(told)
    return lines


def _fraction(line: str) -> float | None:
    if not line.startswith(f'{{"{FRACTION}": '):
        return None
    return float(json.loads(line)[FRACTION])


def tell(fraction: float) -> None:
    """The child's side: says how much is done."""
    print(json.dumps({FRACTION: round(fraction, 4)}), flush=True)


def answer(work: Callable[[], Mapping[str, Any]]) -> int:
    """The child's side: does the work and prints what came of it; returns the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        result = work()
    except EdgekitError as error:
        result = {"error": str(error)}
    print(json.dumps(result))
    return 0


def _end_with_parent() -> None:
    """The other end of stdin is the parent's; when it is gone, so is everybody who waits for us."""
    os.read(0, 1)  # not sys.stdin, whose lock a thread must not hold when Python ends
    os._exit(1)

"""Runs a piece of export in a child process, whose memory is given back and whose peak is its own.

The child is a module of this package with `answer(main_work)` at its end: it prints one JSON line,
and ends when its stdin does, so that nothing goes on writing after this process was killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from edgekit.errors import EdgekitError, ExportError


def run_apart(module: str, *arguments: object, doing: str) -> dict[str, Any]:
    """What the child answered; raises ExportError with its reason where it failed."""
    command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as child:
        lines = child.stdout.read().splitlines() if child.stdout else []
    if child.returncode != 0 or not lines:
        reason = lines[-1] if lines else "it was ended, as when the memory runs out"
        raise ExportError(f"onnx: {doing} failed ({reason}); close other programs and try again.")
    found = dict(json.loads(lines[-1]))
    if "error" in found:
        raise ExportError(f"onnx: {doing} failed: {found['error']}")
    return found


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

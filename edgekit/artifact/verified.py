"""Remembers which checks passed on this machine, so that they need not run at every start.

A cache, not a record: if it is damaged, old, from another machine or cannot be written, the checks
run again.
"""

from __future__ import annotations

import json
import platform
import time
from typing import Any

from edgekit.system import machine, paths
from edgekit.system.digest import canonical_json

KEPT = 1000


def recall(key: str, *, max_age_seconds: float | None = None) -> Any:
    """What was remembered under `key` on this machine, or None."""
    entry = _read().get(_here(key))
    if not isinstance(entry, dict) or not isinstance(entry.get("at"), int | float):
        return None
    age = time.time() - entry["at"]
    # An entry from the future means that the clock was once wrong; its age is then unknown.
    fresh = age >= 0 if max_age_seconds is None else 0 <= age <= max_age_seconds
    return entry.get("value") if fresh else None


def remember(key: str, value: Any) -> None:
    """Keeps a JSON value under `key`; drops the oldest beyond KEPT."""
    path = paths.seen_file()
    try:
        with machine.locked(path.with_name(path.name + ".lock")):
            entries = {**_read(), _here(key): {"at": time.time(), "value": value}}
            newest = sorted(entries, key=lambda name: _at(entries[name]))[-KEPT:]
            machine.write_safely(path, canonical_json({name: entries[name] for name in newest}))
    except (OSError, NotImplementedError):
        # A full disk, a read-only home or a file system without locks: nothing is remembered.
        return


def _read() -> dict[str, Any]:
    try:
        entries = json.loads(paths.seen_file().read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _at(entry: Any) -> float:
    at = entry.get("at") if isinstance(entry, dict) else None
    return float(at) if isinstance(at, int | float) else 0.0


def _here(key: str) -> str:
    """Home folders are copied, and machines may share one: each remembers only for itself."""
    return f"{platform.node()}:{key}"

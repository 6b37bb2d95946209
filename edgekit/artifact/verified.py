"""What was once found right on this machine, so that it need not be found again at every start.

A memory, not a record: where it is damaged, old, from another machine or cannot be written, the
work is done again.
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
    # An entry from the future means that the clock was wrong once; then its age is unknown.
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
        # A full disk, a locked-down home or one without locks: nothing is remembered, no more.
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
    """Home folders travel, and a room of machines may share one: each remembers for itself."""
    return f"{platform.node()}:{key}"

"""Holds a lock while something is written: two runs would write into each other's records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from edgekit.data.refusals import told
from edgekit.errors import DataError
from edgekit.system import paths
from edgekit.system.digest import sha256_json


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Raises DataError where another run of this machine is writing `out`."""
    lock = paths.cache_dir() / "locks" / sha256_json(str(out.resolve()))
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(lock, timeout=0):
            yield
    except filelock.Timeout as error:
        raise DataError(told("being-written", {"path": out})) from error

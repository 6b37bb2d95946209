"""Which keys live processes use; a dead process uses none, however it died."""

from __future__ import annotations

import uuid
from pathlib import Path

import filelock

from edgekit.system.disk import remove


class Pins:
    """One list of keys for each live user of a folder, held by a lock that the kernel frees.

    Not atomic by itself: callers hold a lock of their own around each call.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = uuid.uuid4().hex
        # A thread may close what another has opened.
        self._lock = filelock.FileLock(folder / f"{self._name}.lock", thread_local=False)

    def add(self, key: str) -> None:
        """Protects this key from being trimmed until `close` or the end of this process."""
        if not self._lock.is_locked:
            self._folder.mkdir(exist_ok=True)
            self._lock.acquire()
        with self._keys(self._name).open("a", encoding="ascii") as stream:
            stream.write(key + "\n")

    def in_use(self) -> frozenset[str]:
        """The keys of all live users; removes the lists of dead ones."""
        keys: set[str] = set()
        for path in sorted(self._folder.glob("*.lock")):
            if _is_held(path):
                listed = self._keys(path.stem)
                keys.update(listed.read_text("ascii").split() if listed.is_file() else ())
            else:
                remove(self._keys(path.stem))
                remove(path)
        return frozenset(keys)

    def close(self) -> None:
        self._lock.release()

    def _keys(self, name: str) -> Path:
        return self._folder / f"{name}.keys"


def _is_held(path: Path) -> bool:
    try:
        with filelock.FileLock(path).acquire(blocking=False):
            return False
    except filelock.Timeout:
        return True

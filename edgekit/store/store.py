"""The step store: finished work survives kill -9 and power cuts, and is done once. Knows no step.

<store>/<key>/            a finished entry: its files and DONE.json with all digests
<store>/<key>.partial/    an entry in the making; its folder `progress` survives a crash
<store>/locks/  runs/     kernel locks: who is making an entry, who is using which
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import EdgekitError, IntegrityError, StepError
from edgekit.store.pins import Pins
from edgekit.store.progress import spent_seconds
from edgekit.store.seal import DONE, Sealed, open_sealed, read_seal, seal
from edgekit.system import machine
from edgekit.system.digest import sha256_json
from edgekit.system.disk import REAL_DISK, Disk, make_folder, remove, size_bytes, told_when_full
from edgekit.system.peak_memory import PeakMemory
from edgekit.wording.units import parse_bytes

DEFAULT_BUDGET = "20GB"
BUDGET_VARIABLE = "EDGEKIT_STORE_BUDGET"
PROGRESS = "progress"
# on_commit gets "<step>:<point>" for each entry that is made; a crash test kills at every point.
COMMIT_POINTS = ("begun", "made", "sealed", "renamed", "finished")

_LAYOUT = 1
_ENTRY = re.compile(r"([0-9a-f]{64})(\.partial)?")

Make = Callable[[Path], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Finished:
    """A step's result: its folder, its own record of the work, and the sha256 of every file."""

    name: str
    key: str
    folder: Path
    reused: bool
    record: Mapping[str, Any]
    digests: Mapping[str, str]
    seconds: float
    """Of all attempts: the last one, and interrupted ones up to their last save."""
    peak_bytes: int
    damage: str | None = None
    """What was wrong with an earlier copy, if one was found damaged and made again."""

    @property
    def digest(self) -> str:
        """One digest for all files; the same on every run, unlike the folder's, because DONE.json
        also holds the time it took."""
        return sha256_json(dict(self.digests))


@dataclass(frozen=True, slots=True)
class Entry:
    """What the store holds under one key; `used` is its last use, in seconds since 1970."""

    name: str
    key: str
    folder: Path
    size_bytes: int
    used: float
    finished: bool
    in_use: bool


def key_of(name: str, inputs: Mapping[str, Any]) -> str:
    """sha256 of the canonical JSON of everything that decides a step's result."""
    return sha256_json({"layout": _LAYOUT, "name": name, "inputs": inputs})


def default_budget_bytes() -> int:
    """The disk space that the store may take: EDGEKIT_STORE_BUDGET, else 20 GB."""
    try:
        return parse_bytes(os.environ.get(BUDGET_VARIABLE, DEFAULT_BUDGET))
    except ValueError as error:
        raise EdgekitError(f"{BUDGET_VARIABLE}: {error}") from error


class Store:
    """Runs steps and keeps their results under a key of everything that they depend on.

    Safe to use from several threads and processes at once. Nobody trims what this object has run
    or found until `close()` or the end of the process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        budget_bytes: int | None = None,
        disk: Disk = REAL_DISK,
        on_commit: Callable[[str], None] | None = None,
    ) -> None:
        self.folder = folder
        # Read now: a malformed variable is reported before a step has run, not after.
        self.budget_bytes = default_budget_bytes() if budget_bytes is None else budget_bytes
        self._disk = disk
        self._on_commit = on_commit
        self._pins = Pins(folder / "runs")

    def run(self, name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
        """The finished entry for these inputs, made now by `make(folder)` if there is none.

        `make` writes its files into that folder, may save what must survive a crash in the
        folder's `progress` (see progress.py), and returns JSON about its work. Waits for another
        process that is making the same entry. Raises OutOfDisk and whatever `make` raises.
        """
        key = key_of(name, inputs)
        with told_when_full(f"the step '{name}'", self.folder):
            self._pin(key)
            with machine.locked(self._lock_file(key)):
                sealed, damage = self._reusable(key)
                reused = sealed is not None
                if sealed is None:
                    sealed = self._make(name, key, make)
                os.utime(self._final(key))
            if not reused:
                self.trim()
        return _finished(key, self._final(key), sealed, reused=reused, damage=damage)

    def find(self, name: str, inputs: Mapping[str, Any]) -> Finished | None:
        """The finished entry for these inputs if all its digests are right; makes nothing."""
        key = key_of(name, inputs)
        final = self._final(key)
        if not final.is_dir():
            return None
        self._pin(key)
        try:
            return _finished(key, final, open_sealed(final), reused=True)
        except IntegrityError:
            return None

    def entries(self) -> list[Entry]:
        """All entries, finished and begun, least recently used first."""
        if not self.folder.is_dir():
            return []
        with self._index():
            return self._entries()

    def trim(self) -> list[Entry]:
        """Removes the least recently used entries until the rest fits the budget; none in use."""
        return self._remove_beyond(self.budget_bytes)

    def clear(self) -> list[Entry]:
        """Removes and returns every entry that no live build uses."""
        return self._remove_beyond(-1) if self.folder.is_dir() else []

    def close(self) -> None:
        """Allows others to trim what was used here."""
        self._pins.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _final(self, key: str) -> Path:
        return self.folder / key

    def _partial(self, key: str) -> Path:
        return self.folder / f"{key}.partial"

    def _lock_file(self, key: str) -> Path:
        return self.folder / "locks" / f"{key}.lock"

    @contextmanager
    def _index(self) -> Iterator[None]:
        """Held only for moments, so that nothing is removed while it is being pinned."""
        with machine.locked(self.folder / "index.lock"):
            yield

    def _pin(self, key: str) -> None:
        try:
            make_folder(self.folder, self._disk)
            with self._index():
                self._pins.add(key)
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            raise StepError(
                f"{self.folder}: the step store cannot be written ({error.strerror}); name another "
                "folder with EDGEKIT_CACHE."
            ) from error

    def _reusable(self, key: str) -> tuple[Sealed | None, str | None]:
        """The entry if it is intact, else what was wrong with it."""
        final, partial = self._final(key), self._partial(key)
        damage = None
        if final.exists():
            try:
                return open_sealed(final), None
            except IntegrityError as error:
                damage = str(error)
                remove(final)
        if (partial / DONE).is_file():
            try:
                # Interrupted between the last byte and the rename: nothing is left to make.
                sealed = open_sealed(partial, ignore=PROGRESS)
            except IntegrityError:
                return None, damage
            self._publish(key, str(sealed.facts["name"]))
            return sealed, damage
        return None, damage

    def _make(self, name: str, key: str, make: Make) -> Sealed:
        partial = self._partial(key)
        _clear_but_progress(partial)
        make_folder(partial, self._disk)
        self._reached(name, "begun")
        began = time.monotonic() - spent_seconds(partial / PROGRESS)
        try:
            with PeakMemory() as peak:
                record = make(partial)
            self._reached(name, "made")
            facts = {
                "name": name,
                "record": record,
                "seconds": time.monotonic() - began,
                "peak_bytes": peak.peak_bytes,
            }
            seal(partial, facts, disk=self._disk, ignore=PROGRESS)
        except BaseException:
            # A full disk, above all, must get its space back.
            _clear_but_progress(partial)
            raise
        self._reached(name, "sealed")
        self._publish(key, name)
        return read_seal(self._final(key))

    def _publish(self, key: str, name: str) -> None:
        partial, final = self._partial(key), self._final(key)
        if (partial / PROGRESS).exists():
            remove(partial / PROGRESS)
            # Otherwise a power cut could bring it back, as an extra file in the finished entry.
            self._disk.sync_folder(partial)
        self._disk.replace(partial, final)
        self._reached(name, "renamed")
        self._disk.sync_folder(self.folder)
        self._reached(name, "finished")

    def _reached(self, name: str, point: str) -> None:
        if self._on_commit is not None:
            self._on_commit(f"{name}:{point}")

    def _entries(self) -> list[Entry]:
        in_use = self._pins.in_use()
        found = []
        for path in self.folder.iterdir():
            match = _ENTRY.fullmatch(path.name)
            if match is None:
                continue
            found.append(
                Entry(
                    name=_name(path),
                    key=match[1],
                    folder=path,
                    size_bytes=size_bytes(path),
                    used=path.stat().st_mtime,
                    finished=match[2] is None,
                    in_use=match[1] in in_use,
                )
            )
        return sorted(found, key=lambda entry: (entry.used, entry.folder))

    def _remove_beyond(self, limit: int) -> list[Entry]:
        removed = []
        with self._index():
            entries = self._entries()
            total = sum(entry.size_bytes for entry in entries)
            for entry in entries:
                if total <= limit:
                    break
                if entry.in_use:
                    continue
                remove(entry.folder)
                remove(self._lock_file(entry.key))
                total -= entry.size_bytes
                removed.append(entry)
        return removed


def _finished(
    key: str, folder: Path, sealed: Sealed, *, reused: bool, damage: str | None = None
) -> Finished:
    facts = sealed.facts
    return Finished(
        name=facts["name"],
        key=key,
        folder=folder,
        reused=reused,
        record=facts["record"],
        digests=sealed.digests,
        seconds=facts["seconds"],
        peak_bytes=facts["peak_bytes"],
        damage=damage,
    )


def _clear_but_progress(partial: Path) -> None:
    if partial.is_dir():
        for path in partial.iterdir():
            if path.name != PROGRESS:
                remove(path)


def _name(folder: Path) -> str:
    try:
        return str(read_seal(folder).facts["name"])
    except IntegrityError:
        return ""

"""Saves a long step's progress so that neither a kill nor a power cut can spoil it.

Each save is a numbered, sealed folder, renamed into place when complete; only then is the previous
one removed. No pickle: tensors as safetensors, the rest as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import IntegrityError
from edgekit.store.seal import open_sealed, read_seal, seal
from edgekit.system.disk import REAL_DISK, Disk, make_folder, remove

SPENT = "spent_seconds"
_NEXT = "next"


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest complete save: its files, and the state beside them."""

    folder: Path
    state: Mapping[str, Any]


def save_progress(
    folder: Path,
    write: Callable[[Path], None],
    *,
    state: Mapping[str, Any],
    disk: Disk = REAL_DISK,
) -> None:
    """Saves what `write(empty_folder)` puts there, with `state` (JSON); removes the older save.

    If `state` has the key SPENT, the seconds that the step has worked in all attempts, they count
    toward the time of its entry in the store.
    Once this returns, load_progress gives this save, even after a power cut.
    """
    make_folder(folder, disk)
    older = _saves(folder)
    number = int(older[0].name) + 1 if older else 1
    unfinished = folder / _NEXT
    remove(unfinished)
    try:
        unfinished.mkdir()
        write(unfinished)
        seal(unfinished, state, disk=disk)
    except BaseException:
        # If the disk was full, the unfinished save must not go on filling it.
        remove(unfinished)
        raise
    disk.replace(unfinished, folder / f"{number:08d}")
    disk.sync_folder(folder)
    for path in older:
        remove(path)


def load_progress(folder: Path) -> Progress | None:
    """The newest save whose digests are all right; None if there is none."""
    for path in _saves(folder):
        try:
            return Progress(path, open_sealed(path).facts)
        except IntegrityError:
            continue  # a save that was being removed, or is damaged: an older one may be complete
    return None


def spent_seconds(folder: Path) -> float:
    """How long the step had worked at its newest save; 0 if unknown.

    Reads only the state: the other files may be gigabytes.
    """
    for path in _saves(folder):
        try:
            return float(read_seal(path).facts.get(SPENT, 0.0))
        except IntegrityError:
            continue  # as in load_progress
    return 0.0


def _saves(folder: Path) -> list[Path]:
    """Newest first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.name.isdigit()), reverse=True)

"""What a long step has done so far, saved so that neither kill nor power cut can spoil it.

Each save is a sealed folder with a number, renamed into place when whole; the one before goes only
after that. No pickle: tensors as safetensors, the rest as JSON.
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
    """The newest whole save: the files that were written and the state beside them."""

    folder: Path
    state: Mapping[str, Any]


def save_progress(
    folder: Path,
    write: Callable[[Path], None],
    *,
    state: Mapping[str, Any],
    disk: Disk = REAL_DISK,
) -> None:
    """Saves what `write(empty_folder)` puts there, with `state` (JSON); the older save goes.

    A step that keeps SPENT in its state, the seconds that it has worked in all attempts, has them
    counted into what its entry in the store took.
    Once this returns, load_progress gives this save, whatever happens to the power.
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
        # After a full disk the bytes must not stay to fill it further.
        remove(unfinished)
        raise
    disk.replace(unfinished, folder / f"{number:08d}")
    disk.sync_folder(folder)
    for path in older:
        remove(path)


def load_progress(folder: Path) -> Progress | None:
    """The newest save whose every digest is right; None where there is none."""
    for path in _saves(folder):
        try:
            return Progress(path, open_sealed(path).facts)
        except IntegrityError:
            continue  # a save that was being removed, or a damaged one: an older one may be whole
    return None


def spent_seconds(folder: Path) -> float:
    """How long the step had worked at its newest save; 0 where it does not say.

    Reads no more than the state: the other files may be gigabytes.
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

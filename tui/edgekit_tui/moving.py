"""Changes the data folder: everything kept is copied there, then used there. Removes nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from edgekit.errors import DataError, OutOfDisk
from edgekit.system import machine, paths
from edgekit_tui import database, places
from edgekit_tui.found import DRIVE_FOLDER

OnBytes = Callable[[int, int], None]
"""Called with the bytes done and their total; an exception that it raises ends the copy."""


def target(chosen: Path) -> Path:
    """A separate folder in the chosen one, under the name that is searched for on drives."""
    own = (paths.own_data_dir(), places.home())
    return chosen if chosen.name == DRIVE_FOLDER or chosen in own else chosen / DRIVE_FOLDER


def is_used(folder: Path) -> bool:
    """Whether it already contains something."""
    return folder.is_dir() and any(path != paths.data_pointer() for path in folder.iterdir())


def size_bytes() -> int:
    """Size of everything that is kept now."""
    return sum(path.stat().st_size for path in _files(places.home()))


def move(folder: Path, *, on_bytes: OnBytes | None = None) -> None:
    """Makes `folder` the data folder. One already in use is taken as it is, any other gets a copy
    of everything that is kept; the old one stays.

    Raises DataError where `folder` cannot be private or lies inside the old one, OutOfDisk where it
    is too small. The database must not be open in this process.
    """
    old = places.home()
    if folder == old:
        return
    if folder.is_relative_to(old) or old.is_relative_to(folder):
        raise DataError(f"{folder}: this is in the data folder, or around it; choose another.")
    try:
        if is_used(folder):
            _check_private(places.private_folder(folder))
        else:
            _copy_all(old, folder, on_bytes)
        places.choose_home(folder)
    except sqlite3.Error as error:
        raise DataError(
            f"{places.history_file()}: the chats cannot be copied ({error}); close other apps and "
            "try again."
        ) from error
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: this cannot be used ({error.strerror}); choose another "
            "folder."
        ) from error


def _copy_all(old: Path, folder: Path, on_bytes: OnBytes | None) -> None:
    total, done = size_bytes(), 0
    if machine.free_disk_bytes(folder) < total:
        raise OutOfDisk(
            f"{folder}: {total / 1e6:,.0f} MB are kept, and there is less room; choose another "
            "folder."
        )
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _check_private(places.private_folder(partial))
        for path in _files(old):
            for count in _copy(path, partial / path.relative_to(old)):
                done += count
                if on_bytes is not None:
                    on_bytes(done, total)
        if folder.exists():
            folder.rmdir()  # an empty one
        partial.rename(folder)
        machine.sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy(source: Path, out: Path) -> Iterator[int]:
    """Yields the bytes that it has copied."""
    places.private_folder(out.parent)
    if source == places.history_file():
        database.copy(source, out)
        yield source.stat().st_size
        return
    yield from map(len, places.copy_private(source, out))
    # A labelled file keeps its age: the settings say for how long it is kept.
    os.utime(out, (source.stat().st_atime, source.stat().st_mtime))
    machine.sync_file(out)


def _files(folder: Path) -> Iterator[Path]:
    beside = {f"{places.history_file().name}-wal", f"{places.history_file().name}-shm"}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in beside and path != paths.data_pointer():
            yield path


def _check_private(folder: Path) -> None:
    if os.name == "posix" and folder.stat().st_mode & 0o077:
        raise DataError(
            f"{folder}: this drive cannot keep others from reading (its file system knows no "
            "rights); choose a folder on another."
        )

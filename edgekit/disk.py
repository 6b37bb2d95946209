"""How bytes and names get onto a disk so that a power cut cannot take them. Knows no step."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from edgekit import machine
from edgekit.errors import OutOfDisk

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


class Disk(Protocol):
    """The three operations that decide what a power cut leaves; tests bring disks that forget."""

    def sync_file(self, path: Path) -> None:
        """Returns once the file's bytes are on the disk."""

    def sync_folder(self, path: Path) -> None:
        """Returns once the folder's list of names is on the disk."""

    def replace(self, source: Path, target: Path) -> None:
        """Renames in one move; lasting once the folder is synced."""


class RealDisk:
    """The disk of this machine."""

    def sync_file(self, path: Path) -> None:
        machine.sync_file(path)

    def sync_folder(self, path: Path) -> None:
        machine.sync_folder(path)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)


REAL_DISK = RealDisk()


def make_folder(folder: Path, disk: Disk) -> None:
    """Makes a folder and the parents it lacks; they are still there after a power cut."""
    missing = [path for path in (folder, *folder.parents) if not path.is_dir()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        disk.sync_folder(path.parent)


def remove(path: Path) -> None:
    """Removes a file or a whole folder; nothing to do where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size_bytes(folder: Path) -> int:
    """What the files below a folder hold; those that vanish meanwhile count nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_file():
                total += path.lstat().st_size
    return total


@contextmanager
def told_when_full(work: str, folder: Path) -> Iterator[None]:
    """Turns a full disk into OutOfDisk, whichever library met it; `work` says who was writing."""
    try:
        yield
    except OutOfDisk:
        raise
    except Exception as error:
        if not _is_full(error):
            raise
        free = machine.free_disk_bytes(folder) / 1e6
        raise OutOfDisk(
            f"{folder}: the disk is full; {work} needs more than the {free:.1f} MB that are free. "
            "Free some space, empty the store with 'edgekit store --clear', or name a folder on "
            "another disk with EDGEKIT_CACHE; the same command then goes on from here."
        ) from error


def _is_full(error: BaseException) -> bool:
    """Libraries written in Rust or C++ raise errors of their own that only quote the system's."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    if any(words in str(error) for words in ("No space left on device", "(os error 28)")):
        return True
    earlier = error.__cause__ or error.__context__
    return earlier is not None and _is_full(earlier)

"""Writes bytes and names to a disk so that a power cut cannot lose them. Knows no step."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from edgekit.errors import OutOfDisk
from edgekit.system import machine
from edgekit.system.refusals import told

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
# RENAME_EXCHANGE of Linux's renameat2 and RENAME_SWAP of macOS's renamex_np: both swap two names.
_SWAP = 2
_HERE = -100  # AT_FDCWD: paths are as the process sees them


class Disk(Protocol):
    """The operations that decide what a power cut leaves; tests have disks that forget."""

    def sync_file(self, path: Path) -> None:
        """Returns once the file's bytes are on the disk."""

    def sync_folder(self, path: Path) -> None:
        """Returns once the folder's list of names is on the disk."""

    def replace(self, source: Path, target: Path) -> None:
        """Renames atomically; durable once the folder is synced."""

    def exchange(self, one: Path, other: Path) -> bool:
        """Swaps two names of one folder atomically; False where the system cannot."""


class RealDisk:
    """The disk of this machine."""

    def sync_file(self, path: Path) -> None:
        machine.sync_file(path)

    def sync_folder(self, path: Path) -> None:
        machine.sync_folder(path)

    def replace(self, source: Path, target: Path) -> None:
        source.replace(target)

    def exchange(self, one: Path, other: Path) -> bool:
        first, second = os.fsencode(one), os.fsencode(other)
        sys.audit("os.rename", one, other, -1, -1)
        if sys.platform == "linux":
            libc = ctypes.CDLL(None)
            # Older C libraries lack it, and not every file system supports it.
            swap = getattr(libc, "renameat2", None)
            return swap is not None and swap(_HERE, first, _HERE, second, _SWAP) == 0
        if sys.platform == "darwin":
            return bool(ctypes.CDLL(None).renamex_np(first, second, _SWAP) == 0)
        return False


REAL_DISK = RealDisk()


def make_folder(folder: Path, disk: Disk) -> None:
    """Makes a folder and its missing parents so that they survive a power cut."""
    missing = [path for path in (folder, *folder.parents) if not path.is_dir()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        disk.sync_folder(path.parent)


def remove(path: Path) -> None:
    """Removes a file or a whole folder; does nothing if there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def replacing(folder: Path, *, disk: Disk = REAL_DISK) -> Iterator[Path]:
    """Yields an empty folder to write files into, which then replaces `folder`.

    A power cut or an error leaves either the old folder or the new one. Raises OutOfDisk.
    """
    partial = folder.with_name(folder.name + ".partial")
    with told_when_full(f"'{folder.name}'", folder.parent, elsewhere="--out"):
        make_folder(folder.parent, disk)
        if partial.exists():
            # A killed run may have swapped the two: that must be durable before this one goes.
            disk.sync_folder(folder.parent)
            remove(partial)
        partial.mkdir()
        try:
            yield partial
            replace_folder(partial, folder, disk=disk)
        finally:
            # A failed attempt must free its space, and so must the folder that was replaced.
            _put_back(folder, disk)
            remove(partial)


def replace_folder(partial: Path, folder: Path, *, disk: Disk = REAL_DISK) -> None:
    """Replaces a folder of files by another; a power cut leaves one or the other.

    If the system cannot swap two folders, a cut may leave the old one as `<name>.replaced`.
    """
    for path in partial.iterdir():
        disk.sync_file(path)
    disk.sync_folder(partial)
    _put_back(folder, disk)
    if not folder.exists():
        disk.replace(partial, folder)
    elif not disk.exchange(partial, folder):
        disk.replace(folder, _aside(folder))
        disk.replace(partial, folder)
    disk.sync_folder(folder.parent)
    remove(partial)
    remove(_aside(folder))


def _aside(folder: Path) -> Path:
    return folder.with_name(folder.name + ".replaced")


def _put_back(folder: Path, disk: Disk) -> None:
    """Undoes or ends what a power cut between the renames of `replace_folder` left half done."""
    if not _aside(folder).exists():
        return
    if not folder.exists():
        disk.replace(_aside(folder), folder)
    # The renames must be durable before anything that took part in them is removed.
    disk.sync_folder(folder.parent)
    remove(_aside(folder))


def size_bytes(folder: Path) -> int:
    """The size of all files below a folder; those that vanish meanwhile count as 0."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_file():
                total += path.lstat().st_size
    return total


@contextmanager
def told_when_full(work: str, folder: Path, *, elsewhere: str = "EDGEKIT_CACHE") -> Iterator[None]:
    """Turns a full disk into OutOfDisk, whichever library hit it; `work` says what was being done.

    `elsewhere` is the variable that a user sets to write to another disk.
    """
    try:
        yield
    except OutOfDisk:
        raise
    except Exception as error:
        if not _is_full(error):
            raise
        free = machine.free_disk_bytes(folder) / 1e6
        raise OutOfDisk(
            told(
                "disk-full-work",
                {"folder": folder, "work": work, "free": f"{free:.1f}", "elsewhere": elsewhere},
            )
        ) from error


def _is_full(error: BaseException) -> bool:
    """Libraries written in Rust or C++ raise their own errors, which only quote the system's."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    if any(words in str(error) for words in ("No space left on device", "(os error 28)")):
        return True
    earlier = error.__cause__ or error.__context__
    return earlier is not None and _is_full(earlier)

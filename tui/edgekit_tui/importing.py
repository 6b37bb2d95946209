"""Brings an artifact into the data folder: copies while hashing, and keeps only complete ones."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from edgekit.artifact.folder import MANIFEST, Artifact, FileEntry, read, verify
from edgekit.errors import ArtifactError, EdgekitError, IntegrityError, OutOfDisk
from edgekit.system import machine
from edgekit_tui import places

OnBytes = Callable[[int, int], None]
"""Called with the bytes done and their total."""


class Stopped(Exception):
    """The user stopped the copy; nothing of it is left."""


def bring(source: Path, *, on_bytes: OnBytes | None = None) -> Path:
    """Copies an artifact into the data folder and returns its folder there.

    Every byte is hashed on the way; a copy that differs from the manifest, or that ends early,
    leaves nothing behind. An artifact that is there already is not copied again.
    """
    artifact = read(source)
    target = _target(artifact)
    if target.exists():
        return target
    free, needed = machine.free_disk_bytes(target), artifact.manifest.needs.disk_bytes
    if free < needed:
        raise OutOfDisk(
            f"{target}: the artifact needs {needed / 1e6:,.0f} MB of disk and {free / 1e6:,.0f} MB "
            "are free; make room and import again."
        )
    places.private_folder(places.artifacts())
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=places.FOLDER_MODE)
    try:
        _copy_all(artifact, partial, on_bytes)
        verify(read(partial))
        partial.rename(target)
        machine.sync_folder(target.parent)
    except OSError as error:
        raise _told(error, source) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _target(artifact: Artifact) -> Path:
    """The folder of this name; with a part of the digest where another artifact has the name."""
    folder = places.artifacts() / artifact.manifest.name
    try:
        same = not folder.exists() or read(folder).manifest.digest == artifact.manifest.digest
    except ArtifactError:
        same = False
    return folder if same else folder.with_name(f"{folder.name}-{artifact.manifest.digest[:8]}")


def _copy_all(artifact: Artifact, target: Path, on_bytes: OnBytes | None) -> None:
    total = sum(entry.size_bytes for entry in artifact.manifest.files)
    done = 0

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if on_bytes is not None:
            on_bytes(done, total)

    for entry in artifact.manifest.files:
        _copy(artifact.path(entry.path), target / entry.path, entry, tell)
    places.write_private(target / MANIFEST, artifact.path(MANIFEST).read_bytes())


def _copy(source: Path, target: Path, entry: FileEntry, tell: Callable[[int], None]) -> None:
    hasher = sha256()
    for chunk in places.copy_private(source, target):
        hasher.update(chunk)
        tell(len(chunk))
    if hasher.hexdigest() != entry.sha256:
        raise IntegrityError(
            f"{source}: these are not the bytes that were written (sha256 differs); nothing was "
            "imported. Copy the artifact to the drive again."
        )
    machine.sync_file(target)


def _told(error: OSError, source: Path) -> EdgekitError:
    if error.errno == errno.ENOSPC:
        return OutOfDisk(f"{places.artifacts()}: the disk is full; make room and import again.")
    return IntegrityError(
        f"{error.filename or source}: this cannot be read any more ({error.strerror}); nothing was "
        "imported. Plug the drive in again and import once more."
    )


def is_own(folder: Path) -> bool:
    """Whether an artifact is inside the data folder, so that the app may remove it."""
    return folder.resolve().parent == places.artifacts().resolve()


def remove(folder: Path) -> None:
    """Removes an imported artifact; the app removes none from elsewhere."""
    if not is_own(folder):
        raise ArtifactError(
            f"{folder}: this artifact is not in the data folder; remove it where it is kept."
        )
    gone = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(gone, ignore_errors=True)
    # Renamed first: a half-removed artifact would look like a damaged one.
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)

"""Keeps a package's file in the user's cache under its pinned digest. Knows no registry."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from edgekit.errors import SampleError
from edgekit.system import paths
from edgekit.system.digest import sha256_file


class Pinned(Protocol):
    """One file of a registry, byte for byte."""

    @property
    def pin(self) -> str: ...
    @property
    def filename(self) -> str: ...
    @property
    def sha256(self) -> str: ...


def fetch(package: Pinned, download: Callable[[Path], Path], *, configured: str) -> Path:
    """The package's file in the user's cache; `download(folder)` fetches it unless it is there.

    A file whose digest is not the pinned one is never kept. `configured` names what a user may have
    set to another source. Raises SampleError.
    """
    folder = paths.packages_dir()
    kept = folder / package.filename
    if kept.is_file() and sha256_file(kept) == package.sha256:
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the cache, so that the final move is one rename within one file system.
    with tempfile.TemporaryDirectory(prefix="download-", dir=folder) as temporary:
        downloaded = download(Path(temporary))
        digest = sha256_file(downloaded)
        if digest != package.sha256:
            raise SampleError(
                f"The download of {package.pin} has sha256 {digest}, not the pinned "
                f"{package.sha256}: it was damaged or replaced on the way; try again, or check "
                f"which {configured} to use."
            )
        downloaded.replace(kept)
    return kept


def members(archive: tarfile.TarFile, *, root: str) -> Iterator[tuple[str, bytes]]:
    """Path below `root` and bytes of every file, in the archive's order."""
    for member in archive:
        content = archive.extractfile(member) if member.isfile() else None
        if content is not None:
            yield member.name.removeprefix(root), content.read()


def by_hand(package: Pinned) -> str:
    """The way out where nothing can be downloaded."""
    return f"put {package.filename}, fetched on another machine, into {paths.packages_dir()}"

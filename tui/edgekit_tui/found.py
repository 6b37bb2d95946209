"""Finds artifacts: in the data folder, the working folder and on attached drives. Loads nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

import edgekit
from edgekit.artifact.folder import MANIFEST, Artifact
from edgekit.errors import EdgekitError
from edgekit_tui import places
from edgekit_tui.i18n import in_words

DRIVE_FOLDER = "EDGEKIT_DATA"
# Levels below a recipe's folder: out/<name>-onnx is two below.
_DEPTH = 2
_MOST_FOLDERS = 500
# Other programs call a file manifest.json too; one of these comes with ours.
_BESIDE = ("golden.json", "MODEL_CARD.md")

Source = Literal["own", "here", "drive", "given"]


@dataclass(frozen=True, slots=True)
class Found:
    """A folder that claims to be an artifact: with its contents, or with what is wrong with it."""

    folder: Path
    source: Source
    artifact: Artifact | None
    fits: bool = False
    available_bytes: int = 0
    wrong: str = ""

    @property
    def task(self) -> str:
        """Empty where the manifest cannot be read."""
        return self.artifact.manifest.task if self.artifact else ""

    @property
    def name(self) -> str:
        return self.artifact.manifest.name if self.artifact else self.folder.name


def find(given: Iterable[Path] = (), *, working: Path | None = None) -> list[Found]:
    """Every artifact once, in this order: given, own, in the working folder, on drives."""
    places_to_look: list[tuple[Source, Iterable[Path]]] = [
        ("given", given),
        ("own", _below(places.artifacts(), 1)),
        ("own", _below(places.samples(), _DEPTH + 1)),
        ("here", _below(working or Path.cwd(), _DEPTH)),
        ("drive", (folder for drive in drives() for folder in _below(drive, _DEPTH))),
    ]
    seen: set[Path] = set()
    found = []
    for source, folders in places_to_look:
        for folder in folders:
            real = folder.resolve()
            if real not in seen:
                seen.add(real)
                found.append(look(real, source))
    return found


def look(folder: Path, source: Source = "given") -> Found:
    """Reads only the manifest."""
    try:
        inspection = edgekit.inspect(folder)
    except EdgekitError as error:
        return Found(folder, source, None, wrong=in_words(error))
    return Found(folder, source, inspection.artifact, inspection.fits, inspection.available_bytes)


def best(
    found: Iterable[Found], tasks: Sequence[str], *, chosen: Found | None = None
) -> Found | None:
    """The chosen one if its task is among these; else one that fits in memory, preferring tasks
    that come first."""
    usable = [one for one in found if one.task in tasks]
    if chosen in usable:
        return chosen
    return min(usable, key=lambda one: (not one.fits, tasks.index(one.task)), default=None)


def drives() -> list[Path]:
    """The EDGEKIT_DATA folders of attached drives."""
    mounts = (Path(part.mountpoint) for part in psutil.disk_partitions(all=False))
    return [mount / DRIVE_FOLDER for mount in mounts if _is_folder(mount / DRIVE_FOLDER)]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False  # a drive that was unplugged


def _below(top: Path, depth: int) -> Iterator[Path]:
    """Folders with a manifest in `top` and up to `depth` below; gives up on a huge tree."""
    budget = _MOST_FOLDERS
    level = [top]
    for below in range(depth + 1):
        deeper: list[Path] = []
        for folder in level:
            if _says_so(folder):
                yield folder
            elif below < depth:
                inside = _folders(folder)[:budget]
                budget -= len(inside)
                deeper += inside
        level = deeper


def _says_so(folder: Path) -> bool:
    return (folder / MANIFEST).is_file() and any((folder / name).is_file() for name in _BESIDE)


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            )
    except OSError:
        return []  # no permission, or unplugged meanwhile: nothing to offer from there

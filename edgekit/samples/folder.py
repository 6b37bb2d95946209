"""Fills a sample's folder all or nothing, and recognises a complete one. Knows no content."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgekit.errors import SampleError
from edgekit.samples import Progress
from edgekit.system import paths
from edgekit.system.digest import sha256_file
from edgekit.system.disk import told_when_full
from edgekit.system.machine import write_safely

_MARKER = "sample.json"
_PARTIAL = ".partial"


def make(
    folder: Path,
    write: Callable[[Path, Progress], None],
    *,
    sample: str,
    version: int,
    recipes: Mapping[str, str],
    on_progress: Progress | None,
) -> Path:
    """Fills `folder` with what `write` makes, telling its progress, and copies of shipped recipes.

    `recipes` has the file for each. Raises SampleError where the folder holds something else.
    """
    tell = on_progress or (lambda what, fraction: None)

    def whole(partial: Path) -> None:
        for file, recipe in recipes.items():
            shutil.copyfile(paths.recipes_dir() / f"{recipe}.yaml", partial / file)
        write(partial, tell)
        tell("checking the files", 0.95)

    made = fill(folder, whole, sample=sample, version=version)
    tell("done", 1.0)
    return made


def write_sets(
    target: Path, sets: Mapping[str, Sequence[object]], *, columns: Sequence[str]
) -> None:
    """Makes `target`, with a CSV file for each set: these attributes of its rows."""
    target.mkdir(parents=True)
    for name, rows in sets.items():
        with (target / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([getattr(row, column) for column in columns] for row in rows)


def fill(folder: Path, write: Callable[[Path], None], *, sample: str, version: int) -> Path:
    """Lets `write` make the sample's files, unless they are all there; returns `folder`.

    A complete folder may hold files that are not the sample's, such as a build's output. An
    interrupted run starts over. Raises SampleError where the folder holds something else.
    """
    if (folder / _MARKER).is_file():
        _check_complete(folder, sample=sample, version=version)
        return folder
    partial = folder / _PARTIAL
    if not (partial / _MARKER).is_file():
        _check_empty(folder)
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        try:
            with told_when_full("the sample", folder):
                write(partial)
        except BaseException:
            shutil.rmtree(partial)
            raise
        _write_marker(partial, sample=sample, version=version)
    _move_into_place(partial, folder)
    return folder


def _write_marker(partial: Path, *, sample: str, version: int) -> None:
    digests = {
        path.relative_to(partial).as_posix(): sha256_file(path)
        for path in sorted(partial.rglob("*"))
        if path.is_file()
    }
    marker = {"sample": sample, "version": version, "files": digests}
    write_safely(partial / _MARKER, json.dumps(marker, indent=2).encode("utf-8"))


def _check_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SampleError(f"{folder} is a file; name a folder for the sample.")
    if folder.is_dir() and any(path.name != _PARTIAL for path in folder.iterdir()):
        raise SampleError(f"{folder} holds other files; name a new or empty folder for the sample.")


def _check_complete(folder: Path, *, sample: str, version: int) -> None:
    try:
        marker = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
    except ValueError as error:
        raise SampleError(
            f"{folder / _MARKER} is damaged; name another folder, or remove this one."
        ) from error
    if (marker["sample"], marker["version"]) != (sample, version):
        raise SampleError(
            f"{folder} holds the sample {marker['sample']} in version {marker['version']}, not "
            f"{sample} in version {version}; name another folder, or remove this one."
        )
    for name, digest in marker["files"].items():
        path = folder / name
        if not path.is_file() or sha256_file(path) != digest:
            raise SampleError(
                f"{folder} holds the sample {sample}, but {name} was changed or removed since; "
                "name another folder for a fresh one, or remove this one."
            )


def _move_into_place(partial: Path, folder: Path) -> None:
    """The marker goes last: with it the folder is complete, without it this is repeated."""
    for path in sorted(partial.iterdir(), key=lambda path: path.name == _MARKER):
        path.rename(folder / path.name)
    partial.rmdir()

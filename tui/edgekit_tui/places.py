"""Where the app keeps what it writes: only in the data folder, readable only by its owner."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from edgekit.errors import DataError
from edgekit.system import machine, paths

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_CHUNK_BYTES = 1 << 20


def private_folder(path: Path) -> Path:
    """Makes a folder that only its owner can enter; also restricts an existing one."""
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    path.chmod(FOLDER_MODE)
    return path


def home() -> Path:
    """The data folder. Raises DataError where it is on a drive that is not attached."""
    folder = paths.data_dir()
    if not named() and folder != paths.own_data_dir() and not folder.is_dir():
        raise DataError(
            f"{folder}: the data folder is not there; attach its drive, or delete "
            f"{paths.data_pointer()} to begin with an empty one."
        )
    return private_folder(folder)


def named() -> bool:
    """Whether EDGEKIT_DATA sets the data folder, so that nobody can choose it here."""
    return "EDGEKIT_DATA" in os.environ


def choose_home(folder: Path) -> None:
    """Makes this the data folder, from now on and in every app that starts."""
    pointer = paths.data_pointer()
    if folder == paths.own_data_dir():
        pointer.unlink(missing_ok=True)
    else:
        write_private(pointer, str(folder).encode("utf-8"))


def artifacts() -> Path:
    """Imported artifacts."""
    return home() / "artifacts"


def samples() -> Path:
    """Samples that were fetched, and the artifacts that were built from them."""
    return home() / "samples"


def results() -> Path:
    """Labelled files, until they are removed or too old."""
    return home() / "results"


def summaries() -> Path:
    """The last summary, and partial results of stopped ones, until these are resumed or too old."""
    return home() / "summaries"


def corrections() -> Path:
    """Where edgekit/data/corrected.py finds them."""
    return home() / "corrections"


def history_file() -> Path:
    """The chats; SQLite's log is beside the file while an app is open."""
    return home() / "chats.sqlite"


def settings_file() -> Path:
    return home() / "settings.json"


def speeds_file() -> Path:
    """How long each artifact took for a text on this machine."""
    return home() / "speeds.json"


def reading_rates_file() -> Path:
    """How many words per second each summarizer read on this machine."""
    return home() / "reading_rates.json"


def writing_rates_file() -> Path:
    """How many words per second each chat model wrote on this machine."""
    return home() / "writing_rates.json"


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file atomically; nobody else can read it at any moment."""
    private_folder(path.parent)
    machine.write_safely(path, data, mode=FILE_MODE)


def copy_private(source: Path, target: Path) -> Iterator[bytes]:
    """Copies into a new file that nobody else can read at any moment; yields each piece of it."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with source.open("rb") as reader, os.fdopen(descriptor, "wb") as writer:
        while chunk := reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            yield chunk


def forget(folder: Path, older_than_seconds: float) -> int:
    """Removes the files older than this in one of our folders; returns their number."""
    gone = 0
    if not folder.is_dir():
        return gone
    limit = time.time() - older_than_seconds
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_mtime <= limit:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


@contextmanager
def written_whole(out: Path) -> Iterator[TextIO]:
    """A text file for the user, written completely or not at all; overwrites none.

    Raises DataError where there is one of that name.
    """
    if out.exists():
        raise DataError(f"{out}: this file exists; choose another name.")
    partial = out.with_name(out.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
        partial.replace(out)
    except BaseException:
        # Half an export looks like a whole one, and keeps filling a disk that is full.
        partial.unlink(missing_ok=True)
        raise

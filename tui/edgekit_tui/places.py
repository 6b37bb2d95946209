"""Where the app keeps what it writes: in the data folder only, readable by its owner only."""

from __future__ import annotations

import os
from pathlib import Path

from edgekit import machine, paths

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def private_folder(path: Path) -> Path:
    """Makes a folder that only its owner can enter; also closes one that was made otherwise."""
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    path.chmod(FOLDER_MODE)
    return path


def home() -> Path:
    return private_folder(paths.data_dir())


def artifacts() -> Path:
    """Imported artifacts."""
    return home() / "artifacts"


def results() -> Path:
    """Labelled files, until they are removed or too old."""
    return home() / "results"


def corrections() -> Path:
    return home() / "corrections"


def history_file() -> Path:
    """The chats; SQLite's log stands beside it while an app is open."""
    return home() / "chats.sqlite"


def settings_file() -> Path:
    return home() / "settings.json"


def speeds_file() -> Path:
    """How long each artifact took for a text on this machine."""
    return home() / "speeds.json"


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file in one move; nobody else can read it at any moment."""
    private_folder(path.parent)
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
    machine.sync_file(partial)
    partial.replace(path)
    machine.sync_folder(path.parent)

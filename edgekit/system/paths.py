"""Every place edgekit reads or writes that the user did not name; creates nothing."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Where finished steps, downloads and measured rates live; EDGEKIT_CACHE moves it."""
    moved = os.environ.get("EDGEKIT_CACHE")
    return Path(moved) if moved else Path(platformdirs.user_cache_dir("edgekit", appauthor=False))


def data_dir() -> Path:
    """Where a user's artifacts and history live.

    EDGEKIT_DATA comes first, then the folder that the user chose (`data_pointer`), then the
    system's own place for it.
    """
    named = os.environ.get("EDGEKIT_DATA")
    if named:
        return Path(named)
    try:
        return Path(data_pointer().read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return own_data_dir()


def own_data_dir() -> Path:
    """Where the operating system wants a user's data."""
    return Path(platformdirs.user_data_dir("edgekit", appauthor=False))


def data_pointer() -> Path:
    """The file that holds the path of another data folder, if the user chose one."""
    return own_data_dir() / "folder.txt"


def store_dir() -> Path:
    return cache_dir() / "store"


def summaries_dir() -> Path:
    """Notes on the parts of files that are being summarized."""
    return cache_dir() / "summaries"


def packages_dir() -> Path:
    """Downloaded packages that samples are made from."""
    return cache_dir() / "packages"


def rates_file() -> Path:
    """How fast this machine was when it was last measured."""
    return cache_dir() / "rates.json"


def seen_file() -> Path:
    """Which artifact files were hashed on this machine, and which golden answers were right."""
    return cache_dir() / "seen.json"


def recipes_dir() -> Path:
    """The shipped recipes: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"

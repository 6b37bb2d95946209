"""A checkpoint's licence and origin, passed on to everything made from it. Knows no weights.

The model card has Hugging Face's header: `license` and `base_model` in README.md.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

CARD = "README.md"
ADAPTER = "adapter_config.json"
NAMES = ("LICENSE*", "LICENCE*", "NOTICE*", "COPYING*")
UNKNOWN = "unknown"
# The header is at the top; a card may be long.
HEADER_LINES = 60


@dataclass(frozen=True, slots=True)
class Origin:
    """A checkpoint by the name in its card's header, or by its folder's name."""

    name: str
    licence: str

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "licence": self.licence}


def files(folder: Path) -> list[Path]:
    """The files with the licence's text, sorted by name."""
    return sorted(path for pattern in NAMES for path in folder.glob(pattern))


def origin(folder: Path) -> Origin:
    """The checkpoint that the card's header names, and its licence; "unknown" if it names none.

    An adapter goes by its folder's name: its card names the base that it was trained on.
    """
    is_adapter = (folder / ADAPTER).is_file()
    return Origin(
        name=(not is_adapter and _header(folder, "base_model")) or folder.name,
        licence=_header(folder, "license") or UNKNOWN,
    )


def carry(source: Path, out: Path) -> None:
    """Copies the licence's files, and writes a card that names licence and origin if known."""
    for path in files(source):
        shutil.copyfile(path, out / path.name)
    found = origin(source)
    if found.licence != UNKNOWN:
        (out / CARD).write_text(
            f"---\nlicense: {found.licence}\nbase_model: {found.name}\n---\n"
            f"Made by edgekit from {found.name}, under the licence of that model.\n",
            encoding="utf-8",
        )


def _header(folder: Path, key: str) -> str:
    card = folder / CARD
    if not card.is_file():
        return ""
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()[:HEADER_LINES]
    found = (line.partition(":")[2] for line in lines if line.startswith(f"{key}:"))
    return next(found, "").strip().strip("'\"")

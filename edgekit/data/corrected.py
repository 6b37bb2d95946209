"""Labels that people corrected in the app: a table for each artifact, as `data.train` takes it.

The app writes them; this reads them, and says which of them nothing trains on yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.data.rows import Row, read_rows
from edgekit.system import paths


@dataclass(frozen=True, slots=True)
class Corrected:
    name: str
    """The artifact's."""
    path: Path
    rows: tuple[Row, ...]

    def besides(self, rows: Iterable[Row]) -> int:
        """How many of them are not among these rows."""
        known = {(row.text, row.label) for row in rows}
        return sum((row.text, row.label) not in known for row in self.rows)


def path_of(name: str) -> Path:
    """Where the labels corrected with an artifact are."""
    return paths.data_dir() / "corrections" / f"{name}.csv"


def of(name: str) -> Corrected | None:
    """None where none were corrected."""
    path = path_of(name)
    return Corrected(name, path, tuple(read_rows(path))) if path.is_file() else None


def every() -> list[Corrected]:
    """Of all artifacts, by name."""
    folder = path_of("").parent
    names = sorted(path.stem for path in folder.glob("*.csv")) if folder.is_dir() else []
    return [found for name in names if (found := of(name)) is not None]

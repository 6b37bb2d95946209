"""Labels that a user corrected: a CSV for each artifact, in the form of a recipe's `data.train`.

Beside it, the digests of those that were saved as rows of the user's own.
"""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from pathlib import Path

from edgekit.data.record_writer import RecordWriter, partial_of
from edgekit.data.rows import read_rows
from edgekit.errors import DataError
from edgekit.system import machine
from edgekit.system.digest import sha256_json
from edgekit_tui import places

COLUMNS = ("text", "label")
ENDINGS = (".csv", ".jsonl", ".xlsx", ".ods")
"""What they can be saved as."""


class Corrections:
    """Text -> label. Each change is on disk when the call returns; two apps lose nothing."""

    def __init__(self, artifact_name: str) -> None:
        self.name = artifact_name
        self.path = places.corrections() / f"{artifact_name}.csv"
        self._saved = self.path.with_suffix(".saved.json")

    def all(self) -> dict[str, str]:
        if not self.path.exists():
            return {}
        return {row.text: row.label or "" for row in read_rows(self.path)}

    def waiting(self) -> int:
        """How many were not saved as they are now."""
        saved = self._digests()
        return sum(_digest(*row) not in saved for row in self.all().items())

    def set(self, text: str, label: str) -> None:
        self._change(text, label)

    def remove(self, text: str) -> None:
        self._change(text, None)

    def save(self, out: Path) -> int:
        """Writes all as rows for `data.train`; returns their number. Raises DataError if `out`
        exists."""
        if out.exists():
            raise DataError(f"{out}: this file exists; choose another name.")
        partial_of(out).unlink(missing_ok=True)
        rows = self.all()
        try:
            with RecordWriter(out) as writer:
                for row in rows.items():
                    writer.write(dict(zip(COLUMNS, row, strict=True)))
                writer.finish()
        except BaseException:
            partial_of(out).unlink(missing_ok=True)
            raise
        digests = sorted({_digest(*row) for row in rows.items()})
        places.write_private(self._saved, json.dumps(digests).encode())
        return len(rows)

    def _digests(self) -> frozenset[str]:
        with suppress(OSError, ValueError):
            return frozenset(json.loads(self._saved.read_bytes()))
        return frozenset()

    def _change(self, text: str, label: str | None) -> None:
        places.private_folder(self.path.parent)
        with machine.locked(self._lock()):
            rows = self.all()
            rows.pop(text, None)
            if label is not None:
                rows[text] = label
            if rows:
                places.write_private(self.path, _csv(rows))
            else:
                self.path.unlink(missing_ok=True)  # a file without rows is not training data

    def _lock(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")


def every() -> list[Corrections]:
    """Those with a label that waits to be saved, the most first."""
    folder = places.corrections()
    names = [path.stem for path in folder.glob("*.csv")] if folder.is_dir() else []
    found = {one: one.waiting() for one in map(Corrections, sorted(names))}
    return sorted((one for one in found if found[one]), key=lambda one: -found[one])


def _digest(text: str, label: str) -> str:
    return sha256_json([text, label])[:16]


def _csv(rows: dict[str, str]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows.items())
    return stream.getvalue().encode("utf-8")

"""Labels that a user corrected: a CSV for each artifact, in the form of a recipe's `data.train`."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from edgekit.data.rows import read_rows
from edgekit.system import machine
from edgekit_tui import places

COLUMNS = ("text", "label")


class Corrections:
    """Text -> label. Each change is on disk when the call returns; two apps lose nothing."""

    def __init__(self, artifact_name: str) -> None:
        self.path = places.corrections() / f"{artifact_name}.csv"

    def all(self) -> dict[str, str]:
        if not self.path.exists():
            return {}
        return {row.text: row.label or "" for row in read_rows(self.path)}

    def set(self, text: str, label: str) -> None:
        self._change(text, label)

    def remove(self, text: str) -> None:
        self._change(text, None)

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


def _csv(rows: dict[str, str]) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows.items())
    return stream.getvalue().encode("utf-8")

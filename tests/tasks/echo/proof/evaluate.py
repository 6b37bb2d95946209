"""Judges an artifact once more: which labels its echoes carry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import edgekit
from edgekit.artifact.folder import Artifact
from edgekit.data.rows import Row
from edgekit.judging.judged import Bars


def evaluate(
    artifact: Artifact, rows: Sequence[Row], *, against: Path | None, progress: Bars
) -> dict[str, Any]:
    with edgekit.load(artifact.folder) as model:
        right = sum(model.verbs.echo(row.text) == f"{row.text} [{row.label}]" for row in rows)
    return {"rows": len(rows), "same": right / len(rows)}

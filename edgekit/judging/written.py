"""What judging a model that writes texts costs, keeps and shows. Knows no task, judges nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.data.rows import Row
from edgekit.job.cost import Cost

if TYPE_CHECKING:
    from edgekit.job.job import Planned


def teacher_cost(planned: Planned) -> Cost:
    """The teacher answers the test set, in torch."""
    rates = planned.rates
    return Cost(
        seconds=planned.tokens.test * rates.forward_seconds_per_token,
        peak_bytes=rates.torch_bytes + 2 * planned.description.fp32_bytes,
        disk_bytes=0,
    )


def judging_cost(planned: Planned) -> Cost:
    return Cost(
        seconds=planned.tokens.test * planned.rates.forward_seconds_per_token,
        peak_bytes=0,
        disk_bytes=0,
    )


def write(path: Path, texts: Sequence[str]) -> dict[str, Any]:
    """Writes the answers to rows, and returns the record of it."""
    path.write_text(json.dumps(list(texts), ensure_ascii=False), encoding="utf-8")
    return {"rows": len(texts)}


def read(path: Path) -> list[str]:
    return [str(text) for text in json.loads(path.read_text("utf-8"))]


def differing(artifact: Sequence[str], teacher: Sequence[str]) -> list[int]:
    """The rows to which the sides give different answers."""
    return [
        at for at, (one, other) in enumerate(zip(artifact, teacher, strict=True)) if one != other
    ]


def worst_first(
    rows: Sequence[Row],
    artifact: Sequence[str],
    teacher: Sequence[str],
    *,
    now: np.ndarray,
    before: np.ndarray,
) -> list[dict[str, str]]:
    """Rows whose answers differ between the sides, the ones that got worst first: by the scores of
    the artifact's and the teacher's, of shape (rows,).

    People's texts: for the report and the terminal, not for an artifact that is passed on.
    """
    return [
        {
            "kind": "worse" if now[at] < before[at] else "better",
            "language": rows[at].language or "",
            "label": str(rows[at].summary),
            "artifact": artifact[at],
            "teacher": teacher[at],
            "text": rows[at].text,
        }
        for at in np.argsort(now - before, kind="stable")
    ]

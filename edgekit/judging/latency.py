"""Times an artifact's answers one after the other, as its user waits for them. Knows no task."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgekit import Model, load
from edgekit.artifact.folder import Artifact
from edgekit.data.rows import Row

THREADS = 2


def measure(
    artifact: Artifact,
    rows: Sequence[Row],
    answer: Callable[[Model, Any], object],
    *,
    texts: int,
) -> dict[str, float]:
    """Milliseconds from text to answer on this machine, for up to `texts` texts spread over `rows`;
    empty without rows."""
    part = [row.input for row in rows[:: max(1, len(rows) // texts)][:texts]]
    if not part:
        return {}
    times = []
    with load(artifact.folder, threads=THREADS) as model:
        answer(model, part[0])
        for text in part:
            began = time.perf_counter()
            answer(model, text)
            times.append(1000 * (time.perf_counter() - began))
    p50, p95 = np.percentile(times, [50, 95])
    return {"p50_ms": round(float(p50), 3), "p95_ms": round(float(p95), 3), "texts": len(part)}

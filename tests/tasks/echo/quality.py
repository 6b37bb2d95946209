"""What is said of how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.quality import Measure, Quality, share, tables

READS = "{max_tokens} tokens at once"


def read(judged: Mapping[str, Any]) -> Quality:
    measures = [Measure("same", ("same",)), Measure("rows", ("rows",), ",")]
    by_language = tables(
        judged, judged.get("by_language", {}), measures, caption="same: 100 % is the teacher"
    )
    return Quality(
        alone=f"{share(judged, 'same')} of echoes are the teacher's.",
        facts=(("Same", share(judged, "same"), "of all echoes"),),
        card=by_language[0],
        sections=tuple(by_language),
    )

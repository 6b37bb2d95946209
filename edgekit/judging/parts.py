"""Judges every language and slice by itself, all at the same share. Knows counts, no models.

That a part FAILs is said only if its loss is shown, with p-values corrected for the number of parts
(Holm 1979): of many equal ones, the worst lies low by chance. That all PASS needs no correction:
each has to be shown by itself (an intersection-union test, Berger 1982).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.judging.noninferiority import (
    ERROR_RATE,
    Kept,
    Sample,
    groups_needed_without_a_flip,
    kept,
    rows_needed,
)
from edgekit.tasks.quality import Verdict

MIN_ROWS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """What was found of the rows of one language, or of one value of a slice."""

    kept: Kept
    rows: int
    verdict: Verdict | None = None
    """None if nothing is asked, or if there are too few rows to ask."""
    rows_needed: int | None = None

    @property
    def enough(self) -> bool:
        return self.rows >= MIN_ROWS

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "groups": self.kept.groups,
            "kept": self.kept.point,
            "kept_low": self.kept.low,
            "kept_high": self.kept.high,
            "verdict": self.verdict,
            "rows_needed": self.rows_needed,
        }


@dataclass(frozen=True, slots=True)
class Drawable:
    """A part before it is judged."""

    sample: Sample
    rows: int


def judge(
    parts: Mapping[str, Drawable],
    keep: float | None,
    *,
    level: float = ERROR_RATE,
    seed: int = 0,
    same: bool = False,
) -> dict[str, Part]:
    """Every part with its bounds, and where `keep` is asked, with its verdict.

    `level`: how often any of them may FAIL falsely. `same`: both sides are the same function, so
    that no number of rows is too small.
    """
    least = level / max(1, sum(one.rows >= MIN_ROWS for one in parts.values()))
    found = {
        name: Part(kept(one.sample, keep=keep, seed=seed, least=least), one.rows)
        for name, one in parts.items()
    }
    if keep is None:
        return found
    # A bootstrap of a few groups draws what they are over and over, and is sure of anything.
    asked = {name: part.kept.chance for name, part in found.items() if part.enough}
    below = holm(asked, level=level)
    return {name: _judged(one, keep, same, fails=name in below) for name, one in found.items()}


def holm(chances: Mapping[str, float], *, level: float = ERROR_RATE) -> frozenset[str]:
    """The names whose p-values are significant together, with at most `level` of any false one."""
    order = sorted(chances, key=lambda name: (chances[name], name))
    for rank, name in enumerate(order):
        if chances[name] > level / (len(order) - rank):
            return frozenset(order[:rank])
    return frozenset(order)


def _judged(part: Part, keep: float, same: bool, *, fails: bool) -> Part:
    if not part.enough:
        return part
    if fails:
        return Part(part.kept, part.rows, "FAIL")
    few = part.kept.groups < groups_needed_without_a_flip(keep)
    if same or (part.kept.low >= keep and not few):
        return Part(part.kept, part.rows, "PASS")
    # What a formula says may be a little less than what there is, which was not enough.
    needed = rows_needed(part.kept, keep, part.rows)
    more = None if needed is None else max(needed, math.ceil(1.1 * part.rows))
    return Part(part.kept, part.rows, "INCONCLUSIVE", more)

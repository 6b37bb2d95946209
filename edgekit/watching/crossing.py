"""A window that counts rows and hits, and whether a line is crossed. Knows no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgekit.watching.rules import Crossing, Seen

PANES = 20


@dataclass(frozen=True, slots=True)
class Pane:
    number: int
    rows: int
    hits: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The panes of a window, the newest last."""

    panes: tuple[Pane, ...] = ()
    all_rows: int = 0
    alarm: bool = False

    @property
    def rows(self) -> int:
        return sum(pane.rows for pane in self.panes)

    @property
    def hits(self) -> int:
        return sum(pane.hits for pane in self.panes)


def is_hit(rule: Crossing, seen: Seen, languages: frozenset[str]) -> bool:
    if rule.counted == "label":
        return rule.label in seen.labels
    if rule.counted == "abstained":
        return seen.abstained
    return seen.language not in languages


def counted(rule: Crossing, counts: Counts, seen: Seen, *, hit: bool) -> Counts:
    """The window with one row more, and without those that have left it."""
    clock = seen.at if rule.within.unit == "seconds" else counts.all_rows
    number = int(clock // (rule.within.span / PANES))
    panes = counts.panes
    if panes and number <= panes[-1].number:
        # A row that comes late counts as the newest: time never runs backwards here.
        last = panes[-1]
        panes = (*panes[:-1], Pane(last.number, last.rows + 1, last.hits + hit))
    else:
        kept = tuple(pane for pane in panes if pane.number > number - PANES)
        panes = (*kept, Pane(number, 1, int(hit)))
    return replace(counts, panes=panes, all_rows=counts.all_rows + 1)


def value(rule: Crossing, counts: Counts) -> float:
    return counts.hits / max(1, counts.rows) if rule.as_share else float(counts.hits)


def crossed(rule: Crossing, counts: Counts) -> bool:
    if counts.rows < rule.at_least:
        return False
    found = value(rule, counts)
    return found >= rule.over if rule.over is not None else found <= (rule.under or 0.0)

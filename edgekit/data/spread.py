"""Takes an even share of every language. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgekit.data.rows import Row

NO_LANGUAGE = "unknown"


def fill(lengths: Mapping[str, Sequence[int]], tokens: int) -> dict[str, int]:
    """How many windows to take from the start of each language: always the next one of the
    language with the fewest tokens so far, until there are enough."""
    counts, taken = dict.fromkeys(lengths, 0), dict.fromkeys(lengths, 0)
    while sum(taken.values()) < tokens:
        left = [name for name, own in lengths.items() if counts[name] < len(own)]
        if not left:
            break
        name = min(left, key=lambda one: taken[one])
        taken[name] += lengths[name][counts[name]]
        counts[name] += 1
    return counts


def spread(rows: Sequence[Row], count: int, *, total: bool = False) -> list[Row]:
    """The first `count` rows of each language; with `total`, an even share of about that many."""
    by_language: dict[str | None, list[Row]] = {}
    for row in rows:
        by_language.setdefault(row.language, []).append(row)
    share = -(-count // max(1, len(by_language))) if total else count
    return [row for part in by_language.values() for row in part[:share]]

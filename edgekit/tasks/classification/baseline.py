"""Describes how far a classifier is from a linear model of the same rows. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.quality import ALL, LANGUAGE, LARGE, Measure, Section, at, number, parts, table
from edgekit.wording.units import human_bytes, or_dash

LINEAR = "linear model's"
NONE = (
    "It is compared with no linear model: the recipe names no training rows that one could learn "
    "from."
)


def caveat(judged: Mapping[str, Any]) -> str:
    """Empty where the artifact is shown to be better, or where there is no linear model."""
    if at(judged, "linear", "better") is not False:
        return ""
    if (number(judged, "linear", "kept_low") or 0.0) > 1:
        return "A linear model that learnt from the same rows is better."
    return "It is not shown to be better than a linear model that learnt from the same rows."


def lines(judged: Mapping[str, Any], *, word: str, metric: str) -> tuple[str, ...]:
    """What the task needs, in a sentence."""
    rows = number(judged, "linear", "rows")
    if rows is None:
        return ()
    if not rows:
        return (NONE,)
    linear = number(judged, "linear", metric)
    size = number(judged, "linear", "size_bytes")
    sides = [
        f"{name} {or_dash(score, '.3f')} ({_apart(score, linear)})"
        for name, score in (
            ("this model", number(judged, "artifact", metric)),
            ("the uncompressed one", number(judged, "teacher", metric)),
        )
    ]
    return (
        f"What the task needs: a linear model of n-grams of characters, trained on {rows:,} of the "
        f"same rows ({'–' if size is None else human_bytes(size)}), has {word} "
        f"{or_dash(linear, '.3f')}, {' and '.join(sides)}.",
    )


def _apart(score: float | None, linear: float | None) -> str:
    return "–" if score is None or linear is None else f"{score - linear:+.3f}"


def sections(judged: Mapping[str, Any], *, word: str, metric: str) -> list[Section]:
    """By language: all three sides."""
    if not number(judged, "linear", "rows"):
        return []
    sides = ("artifact", "teacher", "linear")
    found = {
        code: {side: parts(judged, side, "by_language", code) for side in sides}
        for code in parts(judged, "linear", "by_language")
    }
    measures = [
        Measure(word, ("artifact", metric)),
        Measure(LARGE, ("teacher", metric)),
        Measure(LINEAR, ("linear", metric)),
    ]
    return [
        table(
            "Beside a linear model",
            LANGUAGE,
            {**found, ALL: judged},
            measures,
            caption=f"{word} of each, on the same test texts",
            notes=lines(judged, word=word, metric=metric),
        )
    ]

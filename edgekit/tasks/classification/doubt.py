"""Describes when a classifier says that it doubts its answer, and how well. Judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekit.tasks.quality import ALL, LANGUAGE, Measure, Section, at, number, parts, share, table


def lines(judged: Mapping[str, Any]) -> tuple[str, ...]:
    """Empty for what was judged before this was measured."""
    return (*_unsure(judged), *_foreign(judged))


def _unsure(judged: Mapping[str, Any]) -> list[str]:
    below = number(judged, "unsure", "below")
    if below is None:
        return []
    return [
        f"Below a score of {below:.1%} it says that it is not sure: of {_of(judged, 'share')} of "
        f"the test texts, {_of(judged, 'right')} of which are right; of the others "
        f"{_of(judged, 'right_of_others')} are."
    ]


def _of(judged: Mapping[str, Any], key: str) -> str:
    return share(judged, "unsure", key).replace(" %", "%")


def _foreign(judged: Mapping[str, Any]) -> list[str]:
    if number(judged, "foreign", "rows") is None:
        return []
    caught = share(judged, "foreign", "caught").replace(" %", "%")
    alarms = share(judged, "foreign", "false_alarms").replace(" %", "%")
    if at(judged, "foreign", "said") is True:
        return [
            f"Of {caught} of texts of another kind it says that they look like nothing it was "
            f"taught, and of {alarms} of its own kind."
        ]
    return [
        "It does not say whether a text looks like nothing it was taught: that would find "
        f"{caught} of texts of another kind, and {alarms} of its own kind."
    ]


def sections(judged: Mapping[str, Any]) -> list[Section]:
    """By language, how many of the texts of another kind are told from its own."""
    if not (found := lines(judged)):
        return []
    measures = [Measure("found", ("caught",)), Measure("rows", ("rows",), ",")]
    by_language = dict(parts(judged, "foreign", "by_language"))
    every = {ALL: parts(judged, "foreign")} if by_language else {}
    return [
        table(
            "When it doubts its answer",
            LANGUAGE,
            {**by_language, **every},
            measures if by_language else [],
            caption="Texts of another kind are the sentences of the Universal Declaration of Human "
            "Rights"
            if by_language
            else "",
            notes=found,
        )
    ]

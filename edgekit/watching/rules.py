"""What is watched for, as plain values. Reads no file and keeps no state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

By = Literal["language", "source"]
"""What a rule is judged by: each language or source has a window of its own."""
Counted = Literal["label", "abstained", "unknown_language"]
OTHER = "(other)"
"""Stands for a label that was not expected, for none at all, and for groups beyond the most that
are kept."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer, without its text."""

    at: float
    """When, in seconds; never used but as a distance to others."""
    labels: tuple[str, ...]
    """All labels of the text, the likeliest first."""
    abstained: bool = False
    language: str | None = None
    """None where it could not be told."""
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The last rows, or the last seconds; it moves in twentieths of itself."""

    span: float
    unit: Literal["rows", "seconds"]


@dataclass(frozen=True, slots=True)
class Do:
    """What is done besides the line in the log."""

    command: tuple[str, ...] = ()
    """A program and its arguments, which gets the event as JSON on its stdin."""
    webhook: str | None = None
    """An address that gets the event as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """The share or the number of some rows within a window reaches a line."""

    name: str
    counted: Counted
    label: str | None = None
    """For `label`: which."""
    as_share: bool
    over: float | None = None
    under: float | None = None
    """One of the two: the line, which is crossed by reaching it."""
    within: Window
    by: By | None = None
    at_least: int = 1
    """A share is judged from this many rows in the window on."""
    do: Do = Do()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The mix of labels is no longer the expected one; see drift.py for the test."""

    name: str
    expected: Mapping[str, int] | None
    """How often each label was given on other rows; None if the first rows are to say it."""
    learnt_rows: int = 0
    """How many of the first rows, where nothing is expected."""
    rows: int
    """Of a window."""
    false_alarms: float
    """At most this share of windows gives an alarm while the mix is the expected one."""
    distance: float = 0.0
    """And half the sum of the differences of shares has to be at least this."""
    by: By | None = None
    do: Do = Do()


Rule = Crossing | Drift


@dataclass(frozen=True, slots=True)
class Rules:
    rules: tuple[Rule, ...]
    languages: frozenset[str]
    """Those that are known, in the spelling of the answers."""

    @property
    def need_languages(self) -> bool:
        """Whether any is judged by a text's language: to detect one takes memory and time."""
        return any(
            rule.by == "language"
            or (isinstance(rule, Crossing) and rule.counted == "unknown_language")
            for rule in self.rules
        )


@dataclass(frozen=True, slots=True)
class Event:
    """An alarm begins or ends."""

    rule: str
    state: Literal["began", "ended"]
    at: float
    value: float
    """What was compared: a share, a number, or for drift the distance."""
    line: float
    rows: int
    """In the window."""
    by: By | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Where a rule stands now, as a metric has it."""

    rule: str
    by: By | None
    group: str | None
    value: float
    rows: int
    alarm: bool

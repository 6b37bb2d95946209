"""One answer more: the new state, and the alarms that begin or end with it. Pure; acts on nothing.

state = begun(rules)
for answer in answers:
    state, events = step(rules, state, answer)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from edgekit.watching import crossing, drift
from edgekit.watching.crossing import Counts
from edgekit.watching.drift import Mix
from edgekit.watching.rules import OTHER, Crossing, Event, Reading, Rule, Rules, Seen

MOST_GROUPS = 1000
"""Languages or sources of a rule that have windows of their own; later ones share one."""

Group = str | None


@dataclass(frozen=True, slots=True)
class State:
    """Of each rule, by its place, the window of each group."""

    windows: tuple[Mapping[Group, Counts | Mix], ...]


def begun(rules: Rules) -> State:
    return State(tuple({} for _ in rules.rules))


def step(rules: Rules, state: State, seen: Seen) -> tuple[State, tuple[Event, ...]]:
    windows, events = [], []
    for rule, before in zip(rules.rules, state.windows, strict=True):
        group = _group(rule, before, seen)
        old = before.get(group)
        new, was = _next(rule, old, seen, rules.languages)
        if new.alarm != was:
            events.append(_event(rule, group, new, seen))
        windows.append({**before, group: new})
    return State(tuple(windows)), tuple(events)


def readings(rules: Rules, state: State) -> Iterator[Reading]:
    """Where every rule stands."""
    for rule, windows in zip(rules.rules, state.windows, strict=True):
        for group, window in windows.items():
            value, rows, _ = _value(rule, window)
            yield Reading(rule.name, rule.by, group, value, rows, window.alarm)


def _group(rule: Rule, before: Mapping[Group, object], seen: Seen) -> Group:
    if rule.by is None:
        return None
    group = (seen.language if rule.by == "language" else seen.source) or OTHER
    return group if group in before or len(before) < MOST_GROUPS else OTHER


def _next(
    rule: Rule, old: Counts | Mix | None, seen: Seen, languages: frozenset[str]
) -> tuple[Counts | Mix, bool]:
    """The window with the row, and whether there was an alarm before it."""
    if isinstance(rule, Crossing):
        counts = old if isinstance(old, Counts) else Counts()
        hit = crossing.is_hit(rule, seen, languages)
        found = crossing.counted(rule, counts, seen, hit=hit)
        return replace(found, alarm=crossing.crossed(rule, found)), counts.alarm
    mix = old if isinstance(old, Mix) else drift.begun(rule)
    return drift.counted(rule, mix, seen), mix.alarm


def _event(rule: Rule, group: Group, window: Counts | Mix, seen: Seen) -> Event:
    value, rows, line = _value(rule, window)
    return Event(
        rule=rule.name,
        state="began" if window.alarm else "ended",
        at=seen.at,
        value=round(value, 6),
        line=line,
        rows=rows,
        by=rule.by,
        group=group,
    )


def _value(rule: Rule, window: Counts | Mix) -> tuple[float, int, float]:
    """What is compared, over how many rows, and with what."""
    if isinstance(rule, Crossing):
        counts = window if isinstance(window, Counts) else Counts()
        line = rule.over if rule.over is not None else rule.under
        return crossing.value(rule, counts), counts.rows, float(line or 0)
    mix = window if isinstance(window, Mix) else drift.begun(rule)
    return mix.distance, mix.judged_rows, rule.distance

"""Rules on a stream of answers: when an alarm begins and ends, for whom, and never by itself."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.watching import watch
from edgekit.watching.drift import PRIOR, Mix, shares
from edgekit.watching.metrics import exposition
from edgekit.watching.rules import OTHER, Crossing, Drift, Event, Rule, Rules, Seen, Window
from edgekit.watching.watch import State
from tests.watching import false_alarms

HOUR = 3600.0


def share(**changes: Any) -> Crossing:
    given: dict[str, Any] = {
        "name": "anger", "counted": "label", "label": "anger", "as_share": True, "over": 0.5,
        "within": Window(100, "rows"), "at_least": 20,
    }  # fmt: skip
    return Crossing(**{**given, **changes})


def drift(**changes: Any) -> Drift:
    given: dict[str, Any] = {
        "name": "drift", "expected": {"anger": 200, "joy": 800}, "rows": 400,
        "false_alarms": 0.01, "distance": 0.1,
    }  # fmt: skip
    return Drift(**{**given, **changes})


def run(rule: Rule, rows: Iterable[Seen]) -> tuple[State, list[Event]]:
    rules = Rules((rule,), frozenset({"en", "fr"}))
    state, events = watch.begun(rules), list[Event]()
    for seen in rows:
        state, found = watch.step(rules, state, seen)
        events += found
    return state, events


def labelled(*labels: str, every: float = 1.0, **changes: Any) -> list[Seen]:
    return [
        Seen(at=number * every, labels=(label,), **changes) for number, label in enumerate(labels)
    ]


def test_a_share_is_judged_from_enough_rows_on_and_told_once() -> None:
    rows = labelled(*["anger"] * 60, *["joy"] * 80)
    _, events = run(share(), rows)
    assert [(event.state, event.rows) for event in events] == [("began", 20), ("ended", 96)]
    assert events[0].value == 1.0
    assert events[0].at == 19
    assert events[1].value < 0.5


def test_a_window_of_rows_forgets_in_twentieths_of_itself() -> None:
    state, _ = run(share(), labelled(*["anger"] * 100, *["joy"] * 500))
    (reading,) = watch.readings(Rules((share(),), frozenset()), state)
    assert (reading.value, reading.alarm) == (0.0, False)
    assert 95 <= reading.rows <= 100


def test_a_number_within_a_time_crosses_a_line() -> None:
    rule = share(as_share=False, over=5, within=Window(HOUR, "seconds"), at_least=1)
    slow = labelled(*["anger"] * 30, every=HOUR / 4)
    assert run(rule, slow)[1] == []
    fast = labelled(*["anger"] * 5, every=HOUR / 10)
    _, (event,) = run(rule, fast)
    assert (event.value, event.line, event.at) == (5, 5, 4 * HOUR / 10)


def test_a_line_can_be_crossed_from_above() -> None:
    _, events = run(share(over=None, under=0.1), labelled(*["anger"] * 20, *["joy"] * 200))
    assert [event.state for event in events] == ["began"]
    assert events[0].value <= 0.1


def test_each_group_has_a_window_of_its_own() -> None:
    rule = share(by="language", at_least=10)
    french = labelled(*["anger"] * 12, language="fr")
    english = labelled(*["joy"] * 300, language="en")
    unknown = labelled(*["joy"] * 3)
    _, (event,) = run(rule, [*english, *unknown, *french])
    assert (event.by, event.group, event.rows) == ("language", "fr", 10)
    state, _ = run(rule, [*english, *unknown, *french])
    assert set(state.windows[0]) == {"en", "fr", OTHER}


def test_groups_are_bounded() -> None:
    rows = [Seen(0, ("joy",), source=f"s{number}") for number in range(watch.MOST_GROUPS + 50)]
    state, _ = run(share(by="source"), rows)
    assert len(state.windows[0]) == watch.MOST_GROUPS + 1
    found = state.windows[0][OTHER]
    assert getattr(found, "rows", 0) == 50


def test_doubt_and_unknown_languages_are_counted() -> None:
    rows = labelled(*["joy"] * 30)
    unsure = [replace(seen, abstained=True, language="en") for seen in rows]
    _, (event,) = run(share(counted="abstained", label=None), unsure)
    assert event.value == 1.0
    for language, alarms in (("en", 0), ("xx", 1), (None, 1)):
        strange = [replace(seen, language=language) for seen in rows]
        assert len(run(share(counted="unknown_language", label=None), strange)[1]) == alarms


def test_a_text_of_several_labels_counts_for_each() -> None:
    rows = [Seen(0, ("joy", "anger"))] * 20
    assert len(run(share(), rows)[1]) == 1


@given(st.lists(st.floats(-1e9, 1e9), max_size=60), st.sampled_from(["rows", "seconds"]))
def test_no_order_of_times_breaks_a_window(times: list[float], unit: Any) -> None:
    rows = [Seen(at, ("anger",)) for at in times]
    state, _ = run(share(within=Window(50, unit)), rows)
    for window in state.windows[0].values():
        assert 0 < getattr(window, "hits", 0) == getattr(window, "rows", 0) <= len(times)


def test_a_state_is_a_value() -> None:
    rules = Rules((share(), drift()), frozenset())
    state = watch.begun(rules)
    for seen in labelled(*["anger"] * 30):
        before = repr(state)
        one, events = watch.step(rules, state, seen)
        two, again = watch.step(rules, state, seen)
        assert (one, events) == (two, again)
        assert repr(state) == before
        state = one


def drawn(mix: dict[str, float], count: int, seed: int) -> list[Seen]:
    generator = random.Random(seed)
    return labelled(*generator.choices(list(mix), list(mix.values()), k=count))


USUAL, PLANTED = {"anger": 0.2, "joy": 0.8}, {"anger": 0.45, "joy": 0.55}


def test_a_planted_change_is_found_soon_and_its_end_too() -> None:
    rows = [*drawn(USUAL, 3000, 1), *drawn(PLANTED, 1500, 2), *drawn(USUAL, 2000, 3)]
    rows = [replace(seen, at=number) for number, seen in enumerate(rows)]
    _, events = run(drift(), rows)
    assert [event.state for event in events] == ["began", "ended"]
    assert 3000 < events[0].at < 3400
    assert 4500 < events[1].at < 5700
    assert events[0].value > 0.1


def test_the_usual_mix_gives_no_more_alarms_than_allowed() -> None:
    """100 windows of 400 rows with 1 % allowed: over 5 has a chance below 1 in 1,000."""
    _, events = run(drift(distance=0.0), drawn(USUAL, 40_000, 4))
    assert sum(event.state == "began" for event in events) <= 5


def test_what_is_expected_can_be_learnt_from_the_first_rows() -> None:
    rule = drift(expected=None, learnt_rows=1000)
    assert run(rule, drawn(USUAL, 5000, 5))[1] == []
    _, events = run(rule, [*drawn(USUAL, 3000, 5), *drawn(PLANTED, 1000, 6)])
    assert [event.state for event in events] == ["began"]


def test_a_label_that_nobody_expected_is_drift() -> None:
    assert [event.state for event in run(drift(), labelled(*["fear"] * 100))[1]] == ["began"]


def test_the_simulation_is_of_the_same_formula() -> None:
    """One window of tests/watching/false_alarms.py, row by row."""
    labels = ["anger", "joy", "joy", "anger", "anger"] * 20
    mix = shares({"anger": 200, "joy": 800})
    state, _ = run(drift(), labelled(*labels))
    (window,) = state.windows[0].values()
    counts, log_ratio = dict.fromkeys(mix, 0), 0.0
    for row, label in enumerate(labels):
        changed = (PRIOR * mix[label] + counts[label]) / (PRIOR + row)
        log_ratio += np.log(changed * (1000 + row) / (1000 * mix[label] + counts[label]))
        counts[label] += 1
    assert isinstance(window, Mix)
    assert window.runs[0].log_ratio == pytest.approx(log_ratio)


def test_the_simulated_rate_is_below_the_stated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(false_alarms, "WINDOWS", 2000)
    monkeypatch.setattr(false_alarms, "ROWS", 200)
    for true in false_alarms.MIXES.values():
        for rows in (0, 1000):
            expected = false_alarms.estimated(true, rows, 3) if rows else true
            found = false_alarms.fired_at(
                true, expected, counted_on=rows or 1e12, false_alarms=0.1, distance=0.0, seed=7
            )
            # 5 % of 2,000 are 100 for one run; three standard errors are 29.
            assert (found > 0).sum() <= 129


def test_metrics_are_as_prometheus_reads_them() -> None:
    rule = share(by="source", at_least=1)
    rows = [Seen(0, ("anger",), source='a"b\\c\nd')]
    state, _ = run(rule, rows)
    text = exposition(watch.readings(Rules((rule,), frozenset()), state))
    assert 'edgekit_watch_value{rule="anger",source="a\\"b\\\\c\\nd"} 1\n' in text
    assert text.count("# TYPE") == 3
    assert text.endswith("\n")

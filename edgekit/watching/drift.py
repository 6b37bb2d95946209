"""Whether labels come in the expected mix: a sequential test that may be looked at after each row.

The test is the mixture martingale for multinomial counts (Lindon and Malek 2022, arXiv
2011.03567): how much likelier the labels so far are under a mix drawn from a Dirichlet
distribution around the expected one than under the expected one itself. While that is the true
mix, the chance that it ever reaches 1/a is at most a (Ville's inequality), however often one
looks. A mix that was itself counted on some rows is only known as well as these tell: then the
stream is compared with a mix drawn from what they leave possible. Of a stream without an end, two
such tests run, each over a window of rows and begun half a window apart, each with half of the
false alarms that are allowed in a window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgekit.watching.rules import OTHER, Drift, Seen

PRIOR = 20.0
"""How many rows the Dirichlet distribution weighs: fewer find large changes sooner, more find
small ones."""


@dataclass(frozen=True, slots=True)
class Run:
    """One test over a window: the labels so far, and the logarithm of the martingale."""

    counts: Mapping[str, int]
    rows: int = 0
    log_ratio: float = 0.0
    fired: bool = False


@dataclass(frozen=True, slots=True)
class Mix:
    """The tests of a group."""

    expected: Mapping[str, float]
    """Empty until it is learnt."""
    counted_on: float
    """How many rows say so."""
    learnt: Mapping[str, int]
    rows: int = 0
    """Since the expected mix is known."""
    runs: tuple[Run, ...] = (Run({}),)
    """The second begins half a window after the first."""
    alarm: bool = False
    distance: float = 0.0
    """Of the run that fired, else of the longer one."""
    judged_rows: int = 0
    """Of that run."""


def shares(counts: Mapping[str, int]) -> dict[str, float]:
    """The expected mix from counts: none is 0, as a row more could be of any label."""
    whole = {**dict.fromkeys([OTHER], 0), **counts}
    total = sum(whole.values()) + 0.5 * len(whole)
    return {label: (count + 0.5) / total for label, count in whole.items()}


def begun(rule: Drift) -> Mix:
    known = rule.expected
    if known is None:
        return Mix({}, 0, {})
    return Mix(shares(known), sum(known.values()), {})


def counted(rule: Drift, mix: Mix, seen: Seen) -> Mix:
    """The tests with one row more."""
    label = seen.labels[0] if seen.labels else OTHER
    if not mix.expected:
        return _learn(rule, mix, label)
    label = label if label in mix.expected else OTHER
    runs = [_step(rule, run, mix, label) for run in mix.runs]
    fired = any(run.fired for run in runs)
    # A whole window without an alarm ends one.
    quiet = not fired and any(run.rows >= rule.rows for run in runs)
    judged = max(runs, key=lambda run: (run.fired, run.rows))
    kept = [Run({}) if run.rows >= rule.rows else run for run in runs]
    if len(kept) == 1 and mix.rows + 1 >= rule.rows // 2:
        kept.append(Run({}))
    return replace(
        mix,
        rows=mix.rows + 1,
        runs=tuple(kept),
        alarm=fired or (mix.alarm and not quiet),
        distance=_distance(judged.counts, judged.rows, mix.expected),
        judged_rows=judged.rows,
    )


def _learn(rule: Drift, mix: Mix, label: str) -> Mix:
    learnt = {**mix.learnt, label: mix.learnt.get(label, 0) + 1}
    if sum(learnt.values()) < rule.learnt_rows:
        return replace(mix, learnt=learnt)
    return Mix(shares(learnt), sum(learnt.values()), {})


def _step(rule: Drift, run: Run, mix: Mix, label: str) -> Run:
    share, before = mix.expected[label], run.counts.get(label, 0)
    # How likely the label is after those before it, if the mix has changed, and if it has not.
    changed = (PRIOR * share + before) / (PRIOR + run.rows)
    same = (mix.counted_on * share + before) / (mix.counted_on + run.rows)
    log_ratio = run.log_ratio + math.log(changed / same)
    counts, rows = {**run.counts, label: before + 1}, run.rows + 1
    # Two runs share the false alarms of a window.
    unlikely = log_ratio >= math.log(2 / rule.false_alarms)
    fires = unlikely and _distance(counts, rows, mix.expected) >= rule.distance
    return Run(counts, rows, log_ratio, run.fired or fires)


def _distance(counts: Mapping[str, int], rows: int, expected: Mapping[str, float]) -> float:
    """Half the sum of the differences of shares, 0 to 1 (total variation)."""
    return 0.5 * sum(abs(counts.get(label, 0) / rows - share) for label, share in expected.items())

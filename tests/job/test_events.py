"""What a step tells while it runs: not too often, and with an estimate that a resume keeps true."""

from __future__ import annotations

import pytest

from edgekit.job import events
from edgekit.job.events import Event, StepProgress


def told(monkeypatch: pytest.MonkeyPatch, *moments: tuple[float, float]) -> list[Event]:
    """The events of a step that tells these fractions at these seconds."""
    clock = iter([now for now, _ in moments])
    monkeypatch.setattr(events.time, "monotonic", lambda: next(clock))
    heard: list[Event] = []
    progress = StepProgress("prune", heard.append)
    for _, fraction in moments:
        progress(fraction)
    return heard


def test_a_resumed_step_estimates_by_what_it_does_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = told(monkeypatch, (10.0, 0.5), (12.0, 0.75), (13.0, 1.0))
    assert [event.eta_s for event in heard] == [None, 2.0, 0.0]
    assert heard[1].as_json() == {
        "event": "step", "step": "prune", "state": "progress", "fraction": 0.75, "eta_s": 2.0,
    }  # fmt: skip


def test_events_keep_their_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = told(monkeypatch, *((10 + number / 16, number / 100) for number in range(20)))
    assert [event.fraction for event in heard] == [0.0, 0.04, 0.08, 0.12, 0.16]

"""What a build reports while it runs: one event type, with the time left. Knows no step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["start", "progress", "done", "reused"]
LEAST_SECONDS_BETWEEN = 0.2


@dataclass(frozen=True, slots=True)
class Event:
    """A step began, progressed, ended, or was found finished."""

    step: str
    state: State
    fraction: float
    eta_s: float | None = None
    note: str | None = None
    """Something that a person should know: what was replaced, or made again."""

    def as_json(self) -> dict[str, Any]:
        return {
            "event": "step",
            "step": self.step,
            "state": self.state,
            "fraction": round(self.fraction, 4),
            "eta_s": None if self.eta_s is None else round(self.eta_s, 1),
            **({"note": self.note} if self.note else {}),
        }


OnEvent = Callable[[Event], None]
OnProgress = Callable[[float], None]
"""Takes the share of the work that is done."""


def part(on_progress: OnProgress, first: float, last: float) -> OnProgress:
    """Reports the progress of a part of the work as that of the whole."""
    return lambda fraction: on_progress(first + (last - first) * fraction)


class StepProgress:
    """Turns a step's fractions into events, not too many, with an estimate of the time left."""

    def __init__(self, step: str, on_event: OnEvent) -> None:
        self._step, self._on_event = step, on_event
        self._began: tuple[float, float] | None = None
        self._told = 0.0

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        if self._began is None:
            # A resumed step begins in the middle: only what is done from here on shows the speed.
            self._began = (now, fraction)
        if now - self._told < LEAST_SECONDS_BETWEEN:
            return
        self._told = now
        at, first = self._began
        speed = (fraction - first) / (now - at) if now > at else 0.0
        eta = (1 - fraction) / speed if speed > 0 else None
        self._on_event(Event(self._step, "progress", min(fraction, 1.0), eta))

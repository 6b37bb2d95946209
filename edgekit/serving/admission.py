"""Who is next: a bounded number of requests wait, and keys take turns. Knows no HTTP.

Everything here runs in the event loop's thread, so nothing is locked.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from edgekit.serving.refusals import Refusal

_WEIGHT = 0.2
"""Of the latest turn in the mean: about the last ten count."""
MOST_SECONDS = 3600.0
MOST_TOGETHER, MOST_CHARACTERS = 16, 2000
"""Of one turn: one core answers them all, and nobody in it should wait for long."""


@dataclass(frozen=True, eq=False, slots=True)
class Ride:
    """A call that may be answered within the turn of another of the same kind."""

    kind: Hashable
    characters: int
    load: Any
    """What whoever has the turn needs to answer it."""


@dataclass(eq=False, slots=True)
class Turn:
    """What one waited for."""

    waited: float = 0.0
    others: list[_Waiter] = field(default_factory=list)
    """Who is answered within this turn: each gets a result or an exception as `turn`."""
    answer: Any = None
    """Of one who was answered within the turn of another."""


@dataclass(eq=False, slots=True)
class _Waiter:
    key: str
    turn: asyncio.Future[Turn]
    line: Line
    ride: Ride | None = None


class Room:
    """The requests that wait in all lines together, at most `places`."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.waiting: Counter[str] = Counter()
        """How many wait of each key."""
        self._latest: dict[str, list[_Waiter]] = {}

    def admit(self, waiter: _Waiter) -> None:
        """Makes room for one more; raises Refusal if it is full.

        A key that has more waiting than this one gives up its latest: one key alone cannot fill
        the room.
        """
        if self.waiting.total() >= self.places:
            busiest, count = max(self.waiting.items(), key=lambda item: item[1], default=("", 0))
            if count <= self.waiting[waiter.key] + 1:
                raise Refusal(
                    503, "server_full",
                    f"{self.places} requests are waiting already; try again later.",
                    retry_after=waiter.line.seconds_ahead(),
                )  # fmt: skip
            self._latest[busiest][-1].line.send_away(self._latest[busiest][-1])
        self.enter(waiter)

    def enter(self, waiter: _Waiter) -> None:
        self.waiting[waiter.key] += 1
        self._latest.setdefault(waiter.key, []).append(waiter)

    def leave(self, waiter: _Waiter) -> None:
        mine = self._latest[waiter.key]
        mine.remove(waiter)
        self.waiting[waiter.key] -= 1
        if not mine:
            del self._latest[waiter.key], self.waiting[waiter.key]


class Line:
    """Those who want the same model, of which `capacity` are answered at the same time."""

    def __init__(self, capacity: int, room: Room) -> None:
        self.capacity = capacity
        self.running = 0
        self._room = room
        self._waiting: OrderedDict[str, deque[_Waiter]] = OrderedDict()
        self._mean_seconds: float | None = None
        self._began: dict[object, float] = {}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def turn(self, key: str, ride: Ride | None = None) -> AsyncIterator[Turn]:
        """Waits for a turn, or with `ride` for an answer within another's. Raises Refusal where the
        room is full."""
        asked = time.monotonic()
        turn = await self._enter(key, ride)
        if turn.answer is not None:
            yield turn
            return
        began, mark = time.monotonic(), object()
        turn.waited = began - asked
        self._began[mark] = began
        try:
            yield turn
        finally:
            del self._began[mark]
            self._learn((time.monotonic() - began) / (1 + len(turn.others)))
            self.running -= 1
            self._next()

    def seconds_ahead(self) -> float:
        """How long one who comes now would wait, at the pace of the latest turns.

        Before any turn has ended, the oldest one is expected to take as long again as it has.
        """
        pace = self._mean_seconds
        if pace is None:
            now = time.monotonic()
            pace = max((now - began for began in self._began.values()), default=1.0)
        return min(MOST_SECONDS, pace * (self.waiting + 1) / self.capacity)

    def send_away(self, waiter: _Waiter) -> None:
        self._remove(waiter)
        if not waiter.turn.done():
            waiter.turn.set_exception(
                Refusal(
                    429,
                    "key_waits_too_often",
                    "Other keys wait as well and this one has the most requests waiting; send "
                    "fewer at a time.",
                    retry_after=self.seconds_ahead(),
                )
            )

    async def _enter(self, key: str, ride: Ride | None) -> Turn:
        if self.running < self.capacity and not self._waiting:
            self.running += 1
            return Turn()
        waiter = _Waiter(key, asyncio.get_running_loop().create_future(), self, ride)
        self._room.admit(waiter)
        self._waiting.setdefault(key, deque()).append(waiter)
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and not waiter.turn.exception():
                self._pass_on(waiter.turn.result())
            else:
                self._remove(waiter)
            raise

    def _pass_on(self, turn: Turn) -> None:
        """The turn of one who left before it began: the next gets it."""
        if turn.answer is not None:
            return
        for other in reversed([other for other in turn.others if not other.turn.done()]):
            self._waiting.setdefault(other.key, deque()).appendleft(other)
            self._waiting.move_to_end(other.key, last=False)
            self._room.enter(other)
        self.running -= 1
        self._next()

    def _next(self) -> None:
        """Gives free places to the oldest of each key, key after key."""
        while self.running < self.capacity and self._waiting:
            waiter = self._taken(next(iter(self._waiting.values()))[0])
            if not waiter.turn.done():
                self.running += 1
                waiter.turn.set_result(Turn(others=self._others(waiter.ride)))

    def _others(self, ride: Ride | None) -> list[_Waiter]:
        """Those who are next and can be answered within the same turn."""
        found: list[_Waiter] = []
        characters, more = 0 if ride is None else ride.characters, ride is not None
        while more:
            more = False
            for first in [mine[0] for mine in self._waiting.values()]:
                if ride is None or first.ride is None or first.ride.kind != ride.kind:
                    continue  # its key stays where it is
                characters += first.ride.characters
                if characters > MOST_CHARACTERS or len(found) == MOST_TOGETHER - 1:
                    return found
                found.append(self._taken(first))
                more = True
        return found

    def _taken(self, waiter: _Waiter) -> _Waiter:
        """Out of the line; the next turn is another key's."""
        self._remove(waiter)
        if waiter.key in self._waiting:
            self._waiting.move_to_end(waiter.key)
        return waiter

    def _remove(self, waiter: _Waiter) -> None:
        mine = self._waiting.get(waiter.key)
        if mine is None or waiter not in mine:
            return
        mine.remove(waiter)
        if not mine:
            del self._waiting[waiter.key]
        self._room.leave(waiter)

    def _learn(self, seconds: float) -> None:
        mean = self._mean_seconds
        self._mean_seconds = seconds if mean is None else mean + _WEIGHT * (seconds - mean)

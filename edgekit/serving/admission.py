"""Who is next: a bounded number of requests wait, and keys take turns. Knows no HTTP.

Everything here runs in the event loop's thread, so nothing is locked.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from edgekit.serving.refusals import Refusal

_WEIGHT = 0.2
"""Of the latest turn in the mean: about the last ten count."""
MOST_SECONDS = 3600.0


@dataclass(eq=False, slots=True)
class _Waiter:
    key: str
    turn: asyncio.Future[None]
    line: Line


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
    async def turn(self, key: str) -> AsyncIterator[float]:
        """Waits for a turn; gives the seconds waited. Raises Refusal where the room is full."""
        asked = time.monotonic()
        await self._enter(key)
        began, mark = time.monotonic(), object()
        self._began[mark] = began
        try:
            yield began - asked
        finally:
            del self._began[mark]
            self._learn(time.monotonic() - began)
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

    async def _enter(self, key: str) -> None:
        if self.running < self.capacity and not self._waiting:
            self.running += 1
            return
        waiter = _Waiter(key, asyncio.get_running_loop().create_future(), self)
        self._room.admit(waiter)
        self._waiting.setdefault(key, deque()).append(waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and not waiter.turn.exception():
                # It was this one's turn already: the next gets it.
                self.running -= 1
                self._next()
            else:
                self._remove(waiter)
            raise

    def _next(self) -> None:
        """Gives free places to the oldest of each key, key after key."""
        while self.running < self.capacity and self._waiting:
            key, mine = next(iter(self._waiting.items()))
            waiter = mine[0]
            self._remove(waiter)
            if key in self._waiting:
                self._waiting.move_to_end(key)
            if not waiter.turn.done():
                self.running += 1
                waiter.turn.set_result(None)

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

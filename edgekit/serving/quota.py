"""How much each key has asked lately, against what it may. Kept in memory; knows no HTTP."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from edgekit.serving.keys import Key
from edgekit.serving.refusals import Refusal

MINUTE, DAY = 60.0, 86_400


class Quota:
    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock, self._now = clock, now
        self._asked: dict[str, deque[float]] = {}
        self._tokens: dict[str, tuple[str, int]] = {}
        """The day of each key's latest tokens, and how many there were on it."""

    def ask(self, key: Key) -> None:
        """Counts a request; raises Refusal where the key may not ask now."""
        spent = self._spent(key)
        if key.tokens_a_day is not None and spent >= key.tokens_a_day:
            raise Refusal(
                429, "tokens_a_day",
                f"This key has used {spent:,} of its {key.tokens_a_day:,} tokens of today (UTC).",
                retry_after=self._until_tomorrow(),
            )  # fmt: skip
        if key.per_minute is None:
            return
        now, asked = self._clock(), self._asked.setdefault(key.id, deque())
        while asked and asked[0] <= now - MINUTE:
            asked.popleft()
        if len(asked) >= key.per_minute:
            raise Refusal(
                429, "per_minute",
                f"This key may ask {key.per_minute:,} times a minute, and has.",
                retry_after=asked[0] + MINUTE - now,
            )  # fmt: skip
        asked.append(now)

    def spend(self, key: Key, tokens: int) -> None:
        self._tokens[key.id] = (self._today(), self._spent(key) + tokens)

    def forget(self, known: frozenset[str]) -> None:
        """Drops what is known of keys that are no longer there."""
        for table in (self._asked, self._tokens):
            for gone in table.keys() - known:
                del table[gone]

    def _spent(self, key: Key) -> int:
        day, tokens = self._tokens.get(key.id, ("", 0))
        return tokens if day == self._today() else 0

    def _today(self) -> str:
        return f"{self._now():%Y-%m-%d}"

    def _until_tomorrow(self) -> float:
        now = self._now()
        return DAY - (now.hour * 3600 + now.minute * 60 + now.second)

"""Finds the number of threads that a model is fastest with at present, in half a second of trials.

More threads than free cores make it many times slower, not a little: each layer waits for the
slowest of them.
"""

from __future__ import annotations

import time
from statistics import median

from edgekit.runtime.gguf.native import Llama
from edgekit.system import machine
from edgekit.system.cancel import Cancel

TRIAL_SECONDS = 0.5
AGAIN_AFTER_SECONDS = 60.0
"""Other programs come and go."""
_WORTH = 1.05
"""More threads must be this much faster, since they are taken from other programs."""


class Threads:
    def __init__(self, model: Llama, *, asked: int | None) -> None:
        self._model = model
        self._asked = asked
        self._measured_at: float | None = None
        self.chosen = asked or machine.cores()

    def settle(self) -> None:
        """Sets the model's threads before it reads; measures if that was not done recently."""
        if self._asked is None and self._is_due():
            self.chosen = self._measure()
            self._measured_at = time.monotonic()
        self._model.set_threads(self.chosen)

    def _is_due(self) -> bool:
        last = self._measured_at
        return last is None or time.monotonic() - last > AGAIN_AFTER_SECONDS

    def _measure(self) -> int:
        """The count with the shortest median time per token; the KV cache so far is kept."""
        counts = sorted({1, max(1, machine.cores() // 2), machine.cores()})
        if len(counts) == 1 or len(self._model.tokens) >= self._model.opening.context:
            return counts[-1]
        seconds: dict[int, list[float]] = {count: [] for count in counts}
        began = time.monotonic()
        self._try(counts[0])  # the first time, weights are read from the disk
        while time.monotonic() - began < TRIAL_SECONDS or not seconds[counts[-1]]:
            for count in counts:
                seconds[count].append(self._try(count))
        best = counts[0]
        for count in counts[1:]:
            if median(seconds[count]) * _WORTH < median(seconds[best]):
                best = count
        return best

    def _try(self, threads: int) -> float:
        known = len(self._model.tokens)
        self._model.set_threads(threads)
        began = time.perf_counter()
        self._model.evaluate([self._model.end], Cancel())
        seconds = time.perf_counter() - began
        self._model.keep(known)
        return seconds

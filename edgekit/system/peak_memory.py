"""The most memory that this process holds while a piece of work runs, without its subprocesses."""

from __future__ import annotations

import threading

from edgekit.system import machine

_EVERY_SECONDS = 0.05


class PeakMemory:
    """`with PeakMemory() as peak: …`, then `peak.peak_bytes`.

    It counts all that the process holds, including libraries loaded earlier: that is what must fit
    in the machine while the work runs, and what a plan estimates (cost.Cost).
    The system's own peak covers the whole life of the process, so a small step after a large one
    would get the large one's; sampling 20 times a second tells them apart.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._done.wait(_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, machine.rss_bytes())

"""Lets calls through until it is shut, and shuts when the last has left. Knows no models."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edgekit.errors import WorkerError
from edgekit.runtime.refusals import told


class Gate:
    def __init__(self) -> None:
        self._inside = 0
        self._shut = False
        self._changed = threading.Condition()
        self._process = os.getpid()

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Raises WorkerError if the gate is shut, or in a copy of the process made by fork()."""
        if os.getpid() != self._process:
            # The threads that would do the work were not copied: a call would wait forever.
            raise WorkerError(told("model-forked", {}))
        with self._changed:
            if self._shut:
                raise WorkerError(told("model-closed", {}))
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def shut(self) -> bool:
        """Refuses further calls and waits for those inside; False if it was shut already."""
        with self._changed:
            first = not self._shut
            self._shut = True
            self._changed.wait_for(lambda: self._inside == 0)
            return first

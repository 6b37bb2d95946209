"""One translation: requested, followed, stopped. Runs in a thread and knows no screens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgekit.system.cancel import Cancel
from edgekit.tasks.translation.translated import Told, Translation
from edgekit_tui.models import Models


@dataclass(frozen=True, slots=True)
class Translated:
    translation: Translation
    seconds: float


class Translating:
    """Runs in the calling thread; `stop` and what it shows are for other threads."""

    def __init__(
        self,
        artifact: Path,
        text: str,
        *,
        to: str,
        from_: str | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`from_` is None where the text itself says its language."""
        self._artifact, self._text = artifact, text
        self._to, self._from = to, from_
        self._clock = clock
        self._cancel = Cancel()
        self._said: list[str] = []
        self.read = 0
        """Parts that are translated."""
        self.parts = 0
        """0 until the model is open."""

    @property
    def text(self) -> str:
        """The translation so far."""
        return "".join(self._said)

    @property
    def stopped(self) -> bool:
        return self._cancel.is_set()

    def stop(self) -> None:
        """After the sentence that is being translated."""
        self._cancel.set()

    def run(self, opened: Models) -> Translated:
        """What was translated until it was stopped. Raises EdgekitError."""
        model = opened.get(self._artifact)
        began = self._clock()
        found = model.translate(
            self._text, to=self._to, from_=self._from, on_told=self._hear, cancel=self._cancel
        )
        return Translated(found, self._clock() - began)

    def _hear(self, told: Told) -> None:
        self.read, self.parts = told.parts_read, told.parts
        self._said.append(told.piece)

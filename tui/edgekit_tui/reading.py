"""The progress of reading a text, and the time left. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.data import words as counting
from edgekit.tasks.summarization.summary import Told

# Fewer words say nothing about writing speed.
_LEAST_WRITTEN = 4


@dataclass(frozen=True, slots=True)
class Progress:
    parts_read: int
    parts: int
    """0 until it is known."""
    written: int
    """Words of the summary."""
    seconds: float
    seconds_left: float | None
    """None until there is something to measure; 0 where it took longer than expected."""
    words_per_second: float | None
    """Words of the text read per second."""


@dataclass(frozen=True, slots=True)
class Work:
    """The work to be done."""

    text_words: int
    summary_words: int
    writes: bool
    """Whether the model joins its notes on the parts in words of its own."""
    in_turn: bool = False
    """Whether one model reads for another: the first one's pace says nothing about both."""
    known_rate: float | None = None
    """Words per second read in earlier work of this kind."""


class Reading:
    """Receives progress events with the time; may be queried from another thread."""

    def __init__(self, work: Work, now: float) -> None:
        self.text = ""
        """The summary so far."""
        self._work, self._began = work, now
        self._told = Told(0, 0)
        self._last_part = self._first_word = now

    def hear(self, told: Told, now: float) -> None:
        if told.parts_read > self._told.parts_read:
            self._last_part = now
        if told.piece and not self.text:
            self._first_word = now
        self._told = told
        self.text += told.piece

    def progress(self, now: float) -> Progress:
        told, written = self._told, counting.count(self.text)
        return Progress(
            told.parts_read,
            told.parts,
            written,
            now - self._began,
            self._seconds_left(told, written, now),
            self._rate(told),
        )

    def _rate(self, told: Told) -> float | None:
        if not told.parts_read or self._last_part <= self._began:
            return None
        share = told.parts_read / told.parts
        return share * self._work.text_words / (self._last_part - self._began)

    def _seconds_left(self, told: Told, written: int, now: float) -> float | None:
        work = self._work
        if written >= _LEAST_WRITTEN and now > self._first_word:
            rate = written / (now - self._first_word)
            return max(0.0, work.summary_words - written) / rate
        read = self._rate(told)
        if read is not None and not work.in_turn:
            # Joining the notes takes about as long as one more part.
            parts = told.parts - told.parts_read + (work.writes and told.parts > 1)
            left = parts * work.text_words / told.parts / read
            return max(0.0, left - (now - self._last_part))
        if work.known_rate:
            return max(0.0, work.text_words / work.known_rate - (now - self._began))
        return None

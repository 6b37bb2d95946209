"""Summaries of texts of any length by a generative model: part by part, then all of it together.

A text that does not fit is read in parts; the model writes a note on each, and the notes are read
again in the same way until they fit (Wu et al. 2021, arXiv 2109.10862, recursive book summaries).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from edgekit.data import words as counting
from edgekit.data.sentences import flat, spans
from edgekit.system.cancel import Cancel, Cancelled
from edgekit.tasks.summarization.checking import unsupported
from edgekit.tasks.summarization.engine import Shortener
from edgekit.tasks.summarization.parts import split
from edgekit.tasks.summarization.resume import Notes
from edgekit.tasks.summarization.summary import Sentence, Summary, Told, Wanted

OnPiece = Callable[[str], None]
LEAST_NOTE_WORDS = 25
MOST_NOTE_WORDS = 150
# The share of the window that the notes on all parts may fill, and tokens a word in most scripts.
_NOTES_SHARE = 0.8
_TOKENS_PER_WORD = 2.0
# A model whose notes are hardly shorter than what it read would go on forever.
_LEAST_GAIN = 0.9


class Reader(Protocol):
    """A model that reads parts and joins its notes."""

    @property
    def window(self) -> int:
        """The window in tokens of text."""

    def count(self, text: str) -> int: ...

    def whole(self, text: str, *, words: int, on_piece: OnPiece) -> str:
        """The summary of a text that fits."""

    def note(self, part: str, *, words: int, before: Sequence[str], on_piece: OnPiece) -> str:
        """A note on a part; `before` are the notes on the parts before it."""

    def join(self, notes: str, *, words: int, on_piece: OnPiece) -> str:
        """One summary from the notes on the parts."""


@dataclass(frozen=True, slots=True)
class Shortening:
    """A Reader around a model that was trained to summarize and can do nothing else."""

    model: Shortener

    @property
    def window(self) -> int:
        return self.model.window

    def count(self, text: str) -> int:
        return self.model.count(text)

    def whole(self, text: str, *, words: int, on_piece: OnPiece) -> str:
        return self.model.shorten(text, words=words, on_piece=on_piece)

    def note(self, part: str, *, words: int, before: Sequence[str], on_piece: OnPiece) -> str:
        return self.model.shorten(part, words=words, on_piece=on_piece)

    def join(self, notes: str, *, words: int, on_piece: OnPiece) -> str:
        # Such a model does not write a shorter summary when asked to.
        if counting.count(notes) <= words:
            on_piece(notes)
            return notes
        return self.model.shorten(notes, words=words, on_piece=on_piece)


class Writing:
    """One summary that is being made."""

    def __init__(
        self,
        reader: Reader,
        wanted: Wanted,
        *,
        engine: str,
        model: str,
        tell: Callable[[Told], None],
        cancel: Cancel,
    ) -> None:
        """`model` names everything that decides the answers: another's notes cannot be reused."""
        self._reader, self._wanted, self._engine = reader, wanted, engine
        self._tell, self._cancel = tell, cancel
        self._kept = Notes(wanted.kept, [model, wanted.words, wanted.language])
        self._read, self._parts = 0, 0
        self._notes: list[str] = []
        self._said = ""

    def summary(self, text: str) -> Summary:
        """The summary of the whole text; if it is cancelled, of what was read until then."""
        parts = [
            text[part.start : part.end]
            for part in split(text, self._reader.count, window=self._reader.window)
        ]
        self._parts = len(parts)
        self._told()
        try:
            found = self._whole(parts)
        except Cancelled:
            found = self._said or "\n".join(self._notes)
            return self._made(found, text, cancelled=True)
        self._kept.forget()
        return self._made(found, text, cancelled=False)

    def _whole(self, parts: Sequence[str]) -> str:
        if len(parts) == 1:
            found = self._reader.whole(parts[0], words=self._wanted.words, on_piece=self._say)
            self._read = 1
            self._told()
            return found
        notes = "\n".join(self._noted(parts, first=True))
        while self._reader.count(notes) > self._reader.window:
            notes = self._again(notes)
        return self._reader.join(notes, words=self._wanted.words, on_piece=self._say)

    def _again(self, notes: str) -> str:
        """Reads the notes in parts again; with fewer words each time."""
        parts = [
            notes[part.start : part.end]
            for part in split(notes, self._reader.count, window=self._reader.window)
        ]
        found = "\n".join(self._noted(parts, first=False))
        if self._reader.count(found) <= _LEAST_GAIN * self._reader.count(notes):
            return found
        return "\n".join(_halved(found.split("\n")))

    def _noted(self, parts: Sequence[str], *, first: bool) -> Iterator[str]:
        room = _NOTES_SHARE * self._reader.window / _TOKENS_PER_WORD / len(parts)
        words = round(min(MOST_NOTE_WORDS, max(LEAST_NOTE_WORDS, room)))
        before: list[str] = []
        for part in parts:
            made_from = (part, words, before[-2:])
            note = self._kept.get(*made_from)
            if note is None:
                note = self._reader.note(part, words=words, before=before, on_piece=self._heed)
                self._kept.put(note, *made_from)
            note = flat(note)
            before.append(note)
            if first:
                self._notes.append(note)
                self._read += 1
                self._told()
            yield note

    def _say(self, piece: str) -> None:
        self._heed(piece)
        self._said += piece
        self._tell(Told(self._read, self._parts, piece))

    def _heed(self, piece: str) -> None:
        if self._cancel.is_set():
            raise Cancelled

    def _told(self) -> None:
        self._tell(Told(self._read, self._parts))

    def _made(self, text: str, source: str, *, cancelled: bool) -> Summary:
        text = text.strip()
        return Summary(
            text=text,
            parts_read=self._read,
            parts=self._parts,
            sentences=tuple(Sentence(flat(text[one.start : one.end])) for one in spans(text)),
            engine=self._engine,
            language=self._wanted.language,
            flagged=unsupported(text, source),
            cancelled=cancelled,
        )


def _halved(notes: Sequence[str]) -> Iterator[str]:
    """The first half of each note's sentences, so that no note is left out entirely."""
    for note in notes:
        found = spans(note)
        yield note[: found[(len(found) - 1) // 2].end] if found else note

"""One summary: requested, followed, stopped. Runs in a thread and knows no screens."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import edgekit
from edgekit.artifact.folder import Manifest
from edgekit.data import words as counting
from edgekit.data.documents import Document
from edgekit.data.sentences import Span, flat, spans
from edgekit.tasks.summarization.attribution import attribute
from edgekit.tasks.summarization.stream import SummaryStream
from edgekit.tasks.summarization.summary import Summary
from edgekit_tui import models, places
from edgekit_tui.models import Answerer, Models
from edgekit_tui.reading import Progress, Reading, Work

# Words of a text are counted this many characters at a time: other threads run in between.
_CHARACTERS = 50_000

# Characters shown on each side of a sentence, and the rest of the last one.
_SURROUNDINGS = 160


@dataclass(frozen=True, slots=True)
class SummaryJob:
    """What is summarized with which model; the same job resumes where it was stopped."""

    artifact: Path
    document: Document
    words: int
    """Length of the summary."""
    text_words: int
    name: str = ""
    """Name of the file; empty for a text that was typed."""
    source: Path | None = None
    chooser: Path | None = None
    """An extractive summarizer that reads everything, so that the other reads only what matters."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A sentence of the text, with its context."""

    before: str
    text: str
    after: str
    page: int | None
    share: float
    """Share of the text that comes before it."""


@dataclass(frozen=True, slots=True)
class Made:
    summary: Summary
    passages: tuple[tuple[Passage, ...], ...]
    """For each sentence of the summary, the sentences of the text that support it."""
    seconds: float


class Summarizing:
    """Runs a job in the calling thread; `stop` and what it shows are for other threads."""

    def __init__(
        self, job: SummaryJob, *, keep: bool, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`keep` is whether partial results may be kept for resuming a stopped run."""
        self.job = job
        self._keep, self._clock = keep, clock
        self._stopped = threading.Event()
        self._stream: SummaryStream | None = None
        self._reading: Reading | None = None

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()

    @property
    def text(self) -> str:
        """The summary so far."""
        return self._reading.text if self._reading is not None else ""

    @property
    def progress(self) -> Progress | None:
        """None until the model is open."""
        return self._reading.progress(self._clock()) if self._reading is not None else None

    def stop(self) -> None:
        self._stopped.set()
        if self._stream is not None:
            self._stream.cancel()

    def run(self, opened: Models) -> Made:
        """A stopped run summarizes what was read until then. Raises EdgekitError, and OSError where
        partial results cannot be kept."""
        model = opened.get(self.job.artifact)
        with self._chooser(opened) as chooser:
            key = rate_key(model.manifest, chooser.manifest if chooser else None)
            began = self._clock()
            reading = self._reading = Reading(self._work(model.manifest, key), began)
            self._stream = model.summarize(
                self.job.document.text,
                words=self.job.words,
                effort="fast" if chooser else "default",
                embedder=cast("edgekit.Model | None", chooser),
                stream=True,
                kept=self._kept(key),
                on_told=lambda told: reading.hear(told, self._clock()),
            )
            if self.stopped:
                self._stream.cancel()
            summary = self._stream.summary()
        seconds = self._clock() - began
        if not summary.cancelled and seconds > 0:
            with suppress(OSError):  # a lost measurement is made again
                models.remember_reading_rate(key, self.job.text_words / seconds)
        return Made(summary, passages(summary, self.job.document), seconds)

    def _work(self, manifest: Manifest, key: str) -> Work:
        return Work(
            self.job.text_words,
            self.job.words,
            writes(manifest),
            in_turn=self.job.chooser is not None,
            known_rate=models.known_reading_rates().get(key),
        )

    @contextmanager
    def _chooser(self, opened: Models) -> Iterator[Answerer | None]:
        if self.job.chooser is None:
            yield None
            return
        with opened.beside(self.job.chooser) as model:
            yield model

    def _kept(self, key: str) -> Path | None:
        if not self._keep:
            return None
        what = f"{key} {self.job.words} {self.job.document.text}"
        name = hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()
        return places.private_folder(places.summaries()) / f"{name}.json"


def rate_key(manifest: Manifest, chooser: Manifest | None) -> str:
    """The key under which the pace of a model, or of two in turn, is remembered."""
    return manifest.digest if chooser is None else f"{manifest.digest}+{chooser.digest}"


def writes(manifest: Manifest) -> bool:
    """Whether it writes sentences of its own instead of choosing some of the text's."""
    spec = manifest.model.summary
    return spec is None or spec.engine != "extractive"


def count_words(text: str) -> int:
    return sum(
        counting.count(text[at : at + _CHARACTERS]) for at in range(0, len(text), _CHARACTERS)
    )


def passages(summary: Summary, document: Document) -> tuple[tuple[Passage, ...], ...]:
    """Where each sentence of a summary comes from in the text, as far as that is known."""
    if not summary.sentences:
        return ()
    found = spans(document.text)
    place = {span: number for number, span in enumerate(found)}
    return tuple(
        tuple(_passage(document, found, place[span]) for span in those)
        for those in attribute(summary.sentences, document.text, found)
    )


def _passage(document: Document, found: Sequence[Span], at: int) -> Passage:
    start = found[at].start
    return Passage(
        _around(document.text, found, at, -1),
        flat(document.text[found[at].start : found[at].end]),
        _around(document.text, found, at, 1),
        document.page(start),
        start / len(document.text),
    )


def _around(text: str, found: Sequence[Span], at: int, way: int) -> str:
    """What stands before a sentence or after it, as far as one reads to understand it; another
    paragraph on a line of its own."""
    said, number = "", at + way
    while 0 <= number < len(found) and len(said) < _SURROUNDINGS:
        near = found[number].paragraph == found[number - way].paragraph
        gap = ("" if not said else " ") if near else "\n"
        piece = flat(text[found[number].start : found[number].end])
        said = f"{said}{gap}{piece}" if way > 0 else f"{piece}{gap}{said}"
        number += way
    return said

"""The verb of a summarizer: summarize. Knows its engine by its interface alone."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Protocol, cast

import numpy as np

from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.data import language_of
from edgekit.data import words as counting
from edgekit.errors import DataError, UnsupportedTask
from edgekit.runtime.engine import Asked
from edgekit.runtime.gate import Gate
from edgekit.runtime.opening import open_engine
from edgekit.system.cancel import Cancel
from edgekit.system.child import PATIENCE_SECONDS
from edgekit.tables import ISOLATED
from edgekit.tasks.quality import judged_languages
from edgekit.tasks.refusals import told
from edgekit.tasks.summarization.checking import unsupported
from edgekit.tasks.summarization.engine import Summarizer
from edgekit.tasks.summarization.stream import Here, Source, SummaryStream
from edgekit.tasks.summarization.summary import WORDS, Summary, Told, Wanted
from edgekit.tasks.summarization.vector import Vector
from edgekit.tasks.summarization.wire import IsolatedSummarizer
from edgekit.wording.language_names import language_name

OnTold = Callable[[Told], None]
FAST_WORDS, FAST_TIMES = 600, 5
"""How many words are chosen to be read with `effort="fast"`: this many, or this many for each word
of the summary, whichever is more."""


def open_verbs(artifact: Artifact, asked: Asked, *, isolate: bool) -> SummaryVerbs:
    """What `edgekit.load` returns for a summarizer."""
    asked.refuse_context(artifact.manifest)
    if isolate or artifact.manifest.model.format in ISOLATED:
        worker = IsolatedSummarizer(artifact, asked)
        return SummaryVerbs(artifact.manifest, worker, embedder=worker)
    engine = cast("Summarizer", open_engine(artifact, asked))
    return SummaryVerbs(
        artifact.manifest, HereBeginner(engine), embedder=cast("EachEmbedder", engine)
    )


class Beginner(Protocol):
    """Anything that can begin a summary."""

    def begin_summary(self, text: str, wanted: Wanted) -> Source: ...

    def close(self) -> None: ...


class EachEmbedder(Protocol):
    """Gives vectors, where the artifact's model has any."""

    def embed_each(self, texts: Sequence[str], *, cancel: Cancel) -> Iterator[Vector]: ...


class HereBeginner:
    """An engine of this process, which gets one text after the other."""

    def __init__(self, engine: Summarizer) -> None:
        self._engine = engine
        self._one = Lock()

    def begin_summary(self, text: str, wanted: Wanted) -> Source:
        return Here(partial(self._make, text, wanted))

    def _make(
        self, text: str, wanted: Wanted, tell: Callable[[Told], None], cancel: Cancel
    ) -> Summary:
        with self._one:
            return self._engine.summarize(text, wanted, tell=tell, cancel=cancel)

    def close(self) -> None:
        self._engine.close()


class Chained:
    """One text: one model chooses its sentences and another reads them."""

    def __init__(self, chooser: Beginner, reader: Beginner, text: str, wanted: Wanted) -> None:
        self._chooser, self._reader = chooser, reader
        self._text, self._wanted = text, wanted
        self._current: SummaryStream | None = None

    def begin(self) -> Source:
        return Here(self._make, on_cancel=self._stop)

    def _make(self, tell: OnTold, cancel: Cancel) -> Summary:
        most = max(FAST_WORDS, FAST_TIMES * self._wanted.words)
        chosen = self._run(
            self._chooser.begin_summary(self._text, replace(self._wanted, words=most, kept=None)),
            lambda told: tell(Told(told.parts_read, told.parts)),
            cancel,
        )
        if chosen.cancelled:
            return chosen
        found = self._run(
            self._reader.begin_summary(chosen.text, self._wanted),
            lambda told: tell(Told(chosen.parts_read, chosen.parts, told.piece)),
            cancel,
        )
        return replace(
            found,
            parts_read=chosen.parts_read,
            parts=chosen.parts,
            flagged=unsupported(found.text, self._text),
        )

    def _run(self, source: Source, on_told: OnTold, cancel: Cancel) -> Summary:
        self._current = SummaryStream(source, on_told=on_told)
        if cancel.is_set():
            self._current.cancel()
        return self._current.summary()

    def _stop(self) -> None:
        if self._current is not None:
            self._current.cancel()


class SummaryVerbs:
    def __init__(
        self, manifest: Manifest, beginner: Beginner, *, embedder: EachEmbedder | None = None
    ) -> None:
        self._manifest = manifest
        self._beginner = beginner
        self._embedder = embedder
        self._gate = Gate()
        self._streams: weakref.WeakSet[SummaryStream] = weakref.WeakSet()

    def summarize(
        self,
        text: str,
        *,
        words: int | None,
        kept: str | None,
        on_told: OnTold,
        first: SummaryVerbs | None = None,
    ) -> SummaryStream:
        """`first` is an extractive summarizer that reads everything and keeps what matters."""
        check_text(text)
        wanted = Wanted(self._words(words), language_of.detect(text), kept)
        warnings = unjudged(self._manifest, wanted.language)
        with self._gate.passing():
            begun = (
                self._beginner.begin_summary(text, wanted)
                if first is None
                else Chained(first._beginner, self._beginner, text, wanted).begin()
            )
            stream = SummaryStream(
                begun,
                lambda summary: replace(summary, warnings=(*warnings, *summary.warnings)),
                on_told=on_told,
            )
        self._streams.add(stream)
        return stream

    def embed(self, texts: str | Sequence[str]) -> np.ndarray:
        given = [texts] if isinstance(texts, str) else list(texts)
        found = [vector.values for vector in self.embed_each(given, cancel=Cancel())]
        return found[0] if isinstance(texts, str) else np.stack(found)

    def embed_each(self, texts: Sequence[str], *, cancel: Cancel) -> Iterator[Vector]:
        """The vectors of texts in their order, until it is cancelled."""
        if not self.extracts or self._embedder is None:
            raise UnsupportedTask(
                f"'{self._manifest.name}' writes its summaries and has no vectors of texts; load "
                "an extractive summarizer."
            )
        if not texts:
            raise DataError("Give a text or several; there are none.")
        for text in texts:
            check_text(text, to="compare")
        with self._gate.passing():
            yield from self._embedder.embed_each(texts, cancel=cancel)

    @property
    def extracts(self) -> bool:
        """Whether it chooses sentences rather than writing them."""
        spec = self._manifest.model.summary
        return spec is not None and spec.engine == "extractive"

    def close(self) -> None:
        """Stops running summaries and frees the model."""
        if self._gate.shut():
            stop(list(self._streams))
            self._beginner.close()

    def _words(self, asked: int | None) -> int:
        spec = self._manifest.model.summary
        if asked is not None:
            return asked
        return WORDS if spec is None else spec.words


def stop(streams: Sequence[SummaryStream]) -> None:
    for stream in streams:
        stream.cancel()
    for stream in streams:
        stream.wait(PATIENCE_SECONDS)


def check_text(text: str, *, to: str = "summarize") -> None:
    if not isinstance(text, str):
        raise DataError(f"A text must be a string, not {type(text).__name__}.")
    if not counting.any_in(text):
        raise DataError(told("no-words", {"to": to}))


def unjudged(manifest: Manifest, language: str | None) -> tuple[str, ...]:
    """A warning if the text is in a language that the artifact was not judged in."""
    if language is None:
        return ("The language of the text could not be told.",)
    judged = judged_languages(manifest.quality)
    if language in judged:
        return ()
    listed = language in {language_of.same(code) for code in manifest.languages}
    known = ", ".join(map(language_name, sorted(judged))) or "none"
    made = "is made for it, but " if listed else ""
    return (
        f"The text seems to be in {language_name(language)}; '{manifest.name}' {made}was not "
        f"judged in it (judged: {known}). Read the summary beside the text.",
    )

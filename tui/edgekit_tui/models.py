"""The one model that is open, in a subprocess. Knows no screens."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Literal, Protocol, overload

import edgekit
from edgekit.artifact.folder import Manifest
from edgekit.data.conversation import Message, Reply, WhenFull
from edgekit.data.inputs import Input, Pair
from edgekit.errors import WorkerError
from edgekit.system.cancel import Cancel
from edgekit.tasks.classification.answer import Answer
from edgekit.tasks.summarization.stream import SummaryStream
from edgekit.tasks.summarization.summary import Effort, Told
from edgekit.tasks.translation.translated import Told as Part
from edgekit.tasks.translation.translated import Translation
from edgekit_tui import places

_KEPT_TIMES = 30


class Stream(Protocol):
    """An answer in the making; `cancel` may be called from another thread."""

    def __iter__(self) -> Iterator[str]: ...

    def cancel(self) -> None: ...

    def reply(self) -> Reply: ...


class Answerer(Protocol):
    """What the screens need of a model: `edgekit.Model`, or one that follows a script."""

    manifest: Manifest

    @overload
    def classify(self, texts: str | Pair) -> Answer: ...  # type: ignore[overload-overlap]

    @overload
    def classify(self, texts: Iterable[Input]) -> Iterator[Answer]: ...

    def chat(
        self,
        messages: Iterable[Message],
        *,
        stream: Literal[True],
        max_tokens: int | None = None,
        temperature: float | None = None,
        when_full: WhenFull = "error",
        begun: str = "",
    ) -> Stream: ...

    def count(self, prompt: str | Sequence[Message]) -> int: ...

    def summarize(
        self,
        text: str,
        *,
        words: int | None = None,
        effort: Effort = "default",
        embedder: edgekit.Model | None = None,
        stream: Literal[True],
        kept: str | os.PathLike[str] | None = None,
        on_told: Callable[[Told], None] = ...,
    ) -> SummaryStream: ...

    def translate(
        self,
        text: str,
        *,
        to: str | None = None,
        from_: str | None = None,
        on_told: Callable[[Part], None] = ...,
        cancel: Cancel | None = None,
    ) -> Translation: ...

    def close(self) -> None: ...


Opener = Callable[[Path, int | None, str | None], Answerer]


def open_isolated(folder: Path, threads: int | None, max_ram: str | None) -> Answerer:
    return edgekit.load(folder, threads=threads, max_ram=max_ram, isolate=True)


class Models:
    """Opens a model on first use and keeps it until another one is used; thread-safe."""

    def __init__(
        self,
        opener: Opener = open_isolated,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._opener = opener
        self._clock = clock
        self._lock = threading.Lock()
        self._open: tuple[Path, Answerer] | None = None
        self._opened_with: tuple[int | None, str | None] = (None, None)
        self._times: list[float] = []
        self.threads: int | None = None
        self.max_ram: str | None = None

    def get(self, folder: Path) -> Answerer:
        """Blocks while a model loads; raises EdgekitError if it cannot be used."""
        with self._lock:
            wanted = (self.threads, self.max_ram)
            if self._open is not None and (self._open[0], self._opened_with) == (folder, wanted):
                return self._open[1]
            self._shut()
            model = self._opener(folder, *wanted)
            self._open, self._opened_with = (folder, model), wanted
            return model

    @contextmanager
    def beside(self, folder: Path) -> Iterator[Answerer]:
        """A second model, for as long as the block lasts."""
        with closing(self._opener(folder, self.threads, self.max_ram)) as model:
            yield model

    def answer(self, folder: Path, text: Input) -> Answer:
        """The answer to one text or pair, timed; a worker that died is restarted once."""
        try:
            return self._timed(self.get(folder), text)
        except WorkerError:
            # The text may be what kills it; a second death is reported.
            return self._timed(self.get(folder), text)

    def seconds_per_text(self) -> float | None:
        """The median of the last answers, without the first, which warms up."""
        times = self._times[1:]
        return median(times) if times else None

    def speeds(self) -> dict[str, float]:
        """Measured on this machine, now and before: an artifact's digest -> seconds."""
        opened = self._open
        now = {opened[1].manifest.digest: self.seconds_per_text()} if opened else {}
        return known_speeds() | {digest: seconds for digest, seconds in now.items() if seconds}

    def close(self) -> None:
        with self._lock:
            self._shut()

    def _timed(self, model: Answerer, text: Input) -> Answer:
        began = self._clock()
        answer = model.classify(text)
        # A text that is read in parts says nothing about one as they usually are.
        if answer.parts == 1:
            self._times = [*self._times[-_KEPT_TIMES:], self._clock() - began]
        return answer

    def _shut(self) -> None:
        if self._open is not None:
            _, model = self._open
            self._open = None
            if (seconds := self.seconds_per_text()) is not None:
                with suppress(OSError):  # a lost measurement is made again
                    remember_speed(model.manifest.digest, seconds)
            self._times = []
            model.close()


def known_speeds() -> dict[str, float]:
    """An artifact's digest -> seconds for a text on this machine."""
    return _known(places.speeds_file())


def remember_speed(digest: str, seconds: float) -> None:
    _remember(places.speeds_file(), digest, seconds)


def known_reading_rates() -> dict[str, float]:
    """A summarizer's digest -> words of a text that it read per second on this machine; where
    another chooses the sentences for it, the two digests joined by a `+`."""
    return _known(places.reading_rates_file())


def remember_reading_rate(key: str, words_per_second: float) -> None:
    _remember(places.reading_rates_file(), key, words_per_second)


def known_writing_rates() -> dict[str, float]:
    """A chat model's digest -> words that it wrote per second on this machine."""
    return _known(places.writing_rates_file())


def remember_writing_rate(digest: str, words_per_second: float) -> None:
    _remember(places.writing_rates_file(), digest, words_per_second)


def _known(path: Path) -> dict[str, float]:
    try:
        found = json.loads(path.read_bytes())
        return {str(key): float(value) for key, value in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}  # a lost measurement is made again


def _remember(path: Path, key: str, value: float) -> None:
    known = {**_known(path), key: round(value, 5)}
    places.write_private(path, json.dumps(known).encode("ascii"))

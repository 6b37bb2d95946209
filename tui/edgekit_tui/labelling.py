"""Labels a whole file: started, paused, stopped and resumed. Knows no screens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from edgekit.data.reading import AS_FOUND, Reading
from edgekit.model import Model
from edgekit.tasks.classification.file import FileResult, classify_file
from edgekit_tui import places

# A person sees no more than this; a message for every row would be wasted work.
_LEAST_SECONDS_BETWEEN = 0.2


@dataclass(frozen=True, slots=True)
class LabelJob:
    """What is labelled with which model; the same job resumes where it was stopped."""

    artifact: Path
    digest: str
    source: Path
    column: str
    name: str
    """The artifact's."""
    reading: Reading = AS_FOUND
    """How the file is read, where what was found out from it is wrong."""

    @property
    def out(self) -> Path:
        """Inside the data folder; the user's own file stays as it is."""
        parts = "\0".join((self.digest, str(self.source), self.column))
        if self.reading != AS_FOUND:
            parts += f"\0{self.reading}"
        key = sha256(parts.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        # Parquet has types that JSON lacks; all else is in one form here, whatever its own.
        suffix = ".parquet" if self.source.suffix.lower() == ".parquet" else ".jsonl"
        return places.results() / f"{self.source.stem}-{key}{suffix}"

    @property
    def index(self) -> Path:
        return self.out.with_name(self.out.name + ".index")


@dataclass(frozen=True, slots=True)
class Pace:
    done: int
    total: int
    per_second: float | None
    """None until there is something to measure."""

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.per_second if self.per_second else None


class Stopped(Exception):
    """The user stopped the run; what is done is kept."""


class Labelling:
    """Runs a job in the calling thread; `pause`, `go_on` and `stop` are called from others."""

    def __init__(self, job: LabelJob, on_pace: Callable[[Pace], None]) -> None:
        self.job = job
        self._on_pace = on_pace
        self._running = threading.Event()
        self._running.set()
        self._stopped = False
        self._began: tuple[float, int] | None = None
        self._told = 0.0

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    def pause(self) -> None:
        self._running.clear()

    def go_on(self) -> None:
        self._began = None  # the pause must not count towards the pace
        self._running.set()

    def stop(self) -> None:
        self._stopped = True
        self._running.set()

    def run(self, model: Model) -> FileResult:
        """Raises Stopped when it was stopped; the same job run again resumes from there."""
        places.private_folder(self.job.out.parent)
        result = classify_file(
            model,
            self.job.source,
            self.job.out,
            column=self.job.column,
            overwrite=True,
            reading=self.job.reading,
            on_progress=self._row_done,
        )
        self.job.out.chmod(places.FILE_MODE)
        return result

    def _row_done(self, done: int, total: int) -> None:
        if self.paused:
            self._tell(done, total)
        self._running.wait()
        if self._stopped:
            raise Stopped
        if self._began is None:
            self._began = (time.monotonic(), done)
        if time.monotonic() - self._told >= _LEAST_SECONDS_BETWEEN or done == total:
            self._tell(done, total)

    def _tell(self, done: int, total: int) -> None:
        self._told = time.monotonic()
        at, first = self._began or (self._told, done)
        seen, spent = done - first, self._told - at
        self._on_pace(Pace(done, total, seen / spent if seen and spent else None))

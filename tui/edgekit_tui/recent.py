"""What was worked on here: files that were labelled or begun, the last summary, the last chat."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from edgekit.data.reading import Reading
from edgekit.data.record_writer import partial_of
from edgekit.errors import EdgekitError
from edgekit_tui import last_summary, places
from edgekit_tui.history import Chat, History
from edgekit_tui.labelling import LabelJob
from edgekit_tui.last_summary import About

_ENDING = ".about.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Recent:
    job: LabelJob
    share: float
    """Of the rows, how many have their labels; 1.0 where there are results to look at."""
    at: float
    """When it was last worked on, in seconds since 1970."""

    @property
    def whole(self) -> bool:
        return self.share == 1.0


Anything = Recent | About | Chat


def latest(history: History) -> list[Anything]:
    """All of it, the latest first."""
    summary = last_summary.about()
    found: list[Anything] = [*every(), *([summary] if summary else [])]
    with suppress(EdgekitError):  # what is wrong with the chats is said where they are
        found += history.chats()[:1] if history.kept else []
    return sorted(found, key=lambda one: -(one.changed if isinstance(one, Chat) else one.at))


def remember(job: LabelJob) -> None:
    """Keeps what the job was, beside what it makes."""
    value = {**asdict(job), "artifact": str(job.artifact), "source": str(job.source)}
    places.write_private(_about(job), json.dumps(value).encode())


def every() -> list[Recent]:
    """The latest first; what cannot be read is left out."""
    folder = places.results()
    found = []
    for path in folder.glob(f"*{_ENDING}") if folder.is_dir() else ():
        with suppress(OSError, ValueError, TypeError, KeyError):
            job = _read(path)
            if (share := _share(job)) is not None:
                found.append(Recent(job, share, path.stat().st_mtime))
    return sorted(found, key=lambda one: -one.at)


def remove(job: LabelJob) -> None:
    """Removes what is kept of a job; the file that was labelled stays as it is."""
    for path in (job.out, job.index, partial_of(job.out), _state(job), _about(job)):
        path.unlink(missing_ok=True)


def _about(job: LabelJob) -> Path:
    return job.out.with_name(job.out.name + _ENDING)


def _state(job: LabelJob) -> Path:
    return job.out.with_name(job.out.name + ".job.json")


def _read(path: Path) -> LabelJob:
    value = json.loads(path.read_bytes())
    return LabelJob(**{
        **value, "artifact": Path(value["artifact"]), "source": Path(value["source"]),
        "reading": Reading(**value["reading"]),
    })  # fmt: skip


def _share(job: LabelJob) -> float | None:
    """None where nothing is kept of it."""
    if job.out.exists() and job.index.exists():
        return 1.0
    partial = partial_of(job.out)
    if not partial.exists():
        return None
    rows = int(json.loads(_state(job).read_bytes())["rows"])
    with partial.open("rb") as stream:
        done = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""))
    return min(done / max(1, rows), 0.99)

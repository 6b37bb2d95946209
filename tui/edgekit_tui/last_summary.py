"""The text that was last on the Summarize page, with its summary: kept until another takes its
place. Knows no screens."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.data.documents import Document
from edgekit.tasks.summarization.summary import Summary
from edgekit_tui import places
from edgekit_tui.summarizing import Made, SummaryJob, passages

_WHOLE, _ABOUT = "last.json", "last.about.json"


@dataclass(frozen=True, slots=True)
class About:
    """What Home says of it, read without the text."""

    name: str
    """The file's; empty for a text that was typed."""
    words: int
    """How many the text has."""
    summarized: bool
    at: float
    """When it was kept, in seconds since 1970."""


def keep(job: SummaryJob, made: Made | None = None) -> None:
    """Replaces what was kept; `made` None is a text that waits for its summary."""
    value = {
        "artifact": str(job.artifact),
        "text": job.document.text,
        "pages": job.document.pages,
        "warnings": job.document.warnings,
        "words": job.words,
        "text_words": job.text_words,
        "name": job.name,
        "source": None if job.source is None else str(job.source),
        "chooser": None if job.chooser is None else str(job.chooser),
        "summary": None if made is None else made.summary.as_json(),
        "seconds": 0.0 if made is None else made.seconds,
    }
    about = {"name": job.name, "words": job.text_words, "summarized": made is not None}
    # First what says that there is something: it must not name what was there before.
    _path(_ABOUT).unlink(missing_ok=True)
    places.write_private(_path(_WHOLE), json.dumps(value).encode())
    places.write_private(_path(_ABOUT), json.dumps(about).encode())


def about() -> About | None:
    """None where nothing is kept."""
    path = _path(_ABOUT)
    with suppress(OSError, ValueError, TypeError):
        if _path(_WHOLE).exists():
            return About(**json.loads(path.read_bytes()), at=path.stat().st_mtime)
    return None


def read() -> tuple[SummaryJob, Made | None] | None:
    """What was kept; None where there is nothing, or nothing that can be read."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        value = json.loads(_path(_WHOLE).read_bytes())
        return _opened(value)
    return None


def remove() -> None:
    for name in (_ABOUT, _WHOLE):
        _path(name).unlink(missing_ok=True)


def _path(name: str) -> Path:
    return places.summaries() / name


def _opened(value: dict[str, Any]) -> tuple[SummaryJob, Made | None]:
    document = Document(value["text"], tuple(value["pages"]), tuple(value["warnings"]))
    job = SummaryJob(
        Path(value["artifact"]),
        document,
        value["words"],
        value["text_words"],
        value["name"],
        None if value["source"] is None else Path(value["source"]),
        None if value["chooser"] is None else Path(value["chooser"]),
    )
    if value["summary"] is None:
        return job, None
    summary = Summary.from_json(value["summary"])
    return job, Made(summary, passages(summary, document), value["seconds"])

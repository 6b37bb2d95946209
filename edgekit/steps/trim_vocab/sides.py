"""The tokenizers of a checkpoint, and which texts each one cuts. Cuts nothing itself.

A checkpoint has one, for the texts of all its rows. Marian has two over one list of pieces, one for
texts and one for translations, and a piece stays if either side needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgekit.checkpoint import frames
from edgekit.data.rows import Row
from edgekit.job.job import Job
from edgekit.runtime.tokens import TOKENIZER
from edgekit.wording import directions


@dataclass(frozen=True, slots=True)
class Side:
    file: str
    languages: Sequence[str]
    train: Sequence[Row]
    validation: Sequence[Row]
    mark: str = ""
    """Set before a language in the record where another side has it, too."""

    def named(self, language: str) -> str:
        return f"{self.mark}{language}"


def of(job: Job) -> list[Side]:
    """The first one reads texts."""
    names, data = job.recipe.languages, job.dataset
    if not job.recipe.directions:
        return [Side(TOKENIZER, names, data.train, data.validation)]
    sources = directions.languages(one.partition(directions.ARROW)[0] for one in names)
    targets = directions.languages(one.partition(directions.ARROW)[2] for one in names)
    read, written = (
        (_read(data.train), _read(data.validation)),
        (
            _written(data.train),
            _written(data.validation),
        ),
    )
    if frames.target_file(job.checkpoint).name == TOKENIZER:
        every = list(dict.fromkeys([*sources, *targets]))
        both = [[*one, *other] for one, other in zip(read, written, strict=True)]
        train, validation = both
        return [Side(TOKENIZER, every, train, validation)]
    return [
        Side(TOKENIZER, sources, *read),
        Side(frames.TARGET, targets, *written, mark=directions.ARROW),
    ]


def _read(rows: Sequence[Row]) -> list[Row]:
    return [replace(row, language=_language(row, 0), summary=None) for row in rows]


def _written(rows: Sequence[Row]) -> list[Row]:
    return [
        replace(row, text=str(row.summary), language=_language(row, 1), summary=None)
        for row in rows
    ]


def _language(row: Row, end: int) -> str | None:
    both = directions.split(row.language or "")
    return None if both is None else both[end]

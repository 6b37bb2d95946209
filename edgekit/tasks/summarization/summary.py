"""Summaries and what is asked for them, as plain values. Knows no model and no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgekit.errors import EdgekitError

WORDS = 120
"""Length of a summary, where neither the caller nor the artifact says another."""
MOST_WORDS = 10_000
Effort = Literal["default", "fast"]
"""`fast` has the sentences that matter chosen by an extractive model, and reads these alone."""
EFFORTS: tuple[Effort, ...] = ("default", "fast")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for beside the text."""

    words: int = WORDS
    """About how long the summary is to be."""
    language: str | None = None
    """Of the text, as far as it is known."""
    kept: str | None = None
    """A file that keeps what was made of each part, so that a killed run goes on from there."""

    def __post_init__(self) -> None:
        if not 1 <= self.words <= MOST_WORDS:
            raise EdgekitError(
                f"A summary has 1 to {MOST_WORDS:,} words, not {self.words:,}; ask for one of "
                "these."
            )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a summary; where it stands in the text that was read, if it is of it."""

    text: str
    start: int | None = None
    """Its first character in the text; None for a sentence that the model wrote."""


@dataclass(frozen=True, slots=True)
class Told:
    """How far a summary is; told whenever that changes, and for every piece of its text."""

    parts_read: int
    parts: int
    piece: str = ""
    """What the summary goes on with; empty while parts are read."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Summary:
    """What is left of a text, and how much of the text was read for it."""

    text: str
    parts_read: int
    parts: int
    """In how many parts the text was read; all of them were, unless somebody stopped it."""
    sentences: tuple[Sentence, ...]
    engine: str
    language: str | None = None
    """The text's, as it was detected; None where that is unsure."""
    flagged: tuple[str, ...] = ()
    """Numbers and names in the summary that the text does not have: to be checked by a person."""
    warnings: tuple[str, ...] = ()
    """A sentence for each reason to trust it less."""
    cancelled: bool = False
    """Somebody stopped it; the text is what there was until then."""

    def as_json(self) -> dict[str, Any]:
        """What `summarize --json` prints."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Summary:
        return cls(
            **{
                **value,
                "sentences": tuple(Sentence(**one) for one in value["sentences"]),
                "flagged": tuple(value["flagged"]),
                "warnings": tuple(value["warnings"]),
            }
        )

"""Summaries and what is asked for them, as plain values. Knows no model and no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgekit.errors import EdgekitError

WORDS = 120
"""Length of a summary, unless the caller or the artifact says another."""
MOST_WORDS = 10_000
Effort = Literal["default", "fast"]
"""With `fast`, an extractive model chooses the sentences that matter, and only these are read."""
EFFORTS: tuple[Effort, ...] = ("default", "fast")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for, besides the text."""

    words: int = WORDS
    """About how long the summary should be."""
    language: str | None = None
    """The text's language, if it is known."""
    kept: str | None = None
    """A file that keeps the notes on each part, from which a killed run resumes."""

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
    """A sentence of a summary, and its place in the text if it was taken from there."""

    text: str
    start: int | None = None
    """Its first character in the text; None for a sentence that the model wrote."""


@dataclass(frozen=True, slots=True)
class Told:
    """A summary's progress; reported whenever it changes, and for every piece of its text."""

    parts_read: int
    parts: int
    piece: str = ""
    """The next piece of the summary; empty while parts are being read."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary, and how much of the text was read for it."""

    text: str
    parts_read: int
    parts: int
    """How many parts the text has; all of them were read unless it was cancelled."""
    sentences: tuple[Sentence, ...]
    engine: str
    language: str | None = None
    """The text's detected language; None if that is unsure."""
    flagged: tuple[str, ...] = ()
    """Numbers and names in the summary that are not in the text: a person should check them."""
    warnings: tuple[str, ...] = ()
    """A sentence for each reason to trust it less."""
    cancelled: bool = False
    """It was stopped; the text is what there was until then."""

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

"""Translations and what is asked for them, as plain values. Knows no model and no file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgekit.errors import EdgekitError
from edgekit.wording import directions


@dataclass(frozen=True, slots=True)
class Told:
    """How much of a text is translated; reported after every part."""

    parts_read: int
    parts: int
    piece: str = ""
    """What the translation goes on with."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Translation:
    """A text in another language, and how much of it was translated."""

    text: str
    source: str
    """The language that the text was read in."""
    target: str
    parts_read: int
    parts: int
    """Sentences, or pieces of those that the model cannot read at once; all of them were translated
    unless it was cancelled."""
    warnings: tuple[str, ...] = ()
    """A sentence for each reason to trust it less."""
    cancelled: bool = False
    """It was stopped; the text is what there was until then."""

    def as_json(self) -> dict[str, Any]:
        """What `translate --json` prints."""
        found = asdict(self)
        return {
            "text": found.pop("text"),
            "from": found.pop("source"),
            "to": found.pop("target"),
            **found,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Translation:
        rest = {name: one for name, one in value.items() if name not in ("from", "to", "warnings")}
        return cls(
            source=value["from"], target=value["to"], warnings=tuple(value["warnings"]), **rest
        )


def sources(known: Sequence[str], target: str) -> list[str]:
    """The languages that can be translated into this one."""
    return [one for one, into in _pairs(known) if into == target]


def targets(known: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(into for _, into in _pairs(known)))


def into(name: str, known: Sequence[str], asked: str | None) -> str:
    """The language to translate into: the one that is asked for, or the only one. EdgekitError."""
    there = targets(known)
    if asked is None and len(there) == 1:
        return there[0]
    if asked in there:
        return str(asked)
    listed = ", ".join(there)
    if asked is None:
        raise EdgekitError(f"'{name}' translates into {listed}; say into which.")
    raise EdgekitError(f"'{name}' does not translate into '{asked}'; it knows {listed}.")


def out_of(name: str, known: Sequence[str], target: str, asked: str | None) -> str | None:
    """The language to translate from: the one that is asked for, the only one, or None where the
    text must say. EdgekitError."""
    there = sources(known, target)
    if asked is None:
        return there[0] if len(there) == 1 else None
    if asked not in there:
        raise EdgekitError(
            f"'{name}' does not translate from '{asked}' into '{target}'; it knows "
            f"{', '.join(there)}."
        )
    return asked


def _pairs(known: Sequence[str]) -> list[tuple[str, str]]:
    return [both for name in known if (both := directions.split(name)) is not None]

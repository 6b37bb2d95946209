"""A pair of languages, from one into the other, as one name: `en→fr`. Knows no language.

It stands wherever a task that has no direction has a language: of a row, of an artifact, of a
verdict. Not `en-fr`, which by BCP 47 is English as in France.
"""

from __future__ import annotations

from collections.abc import Iterable

ARROW = "→"


def direction(source: str, target: str) -> str:
    return f"{source}{ARROW}{target}"


def split(name: str) -> tuple[str, str] | None:
    """The languages of a direction; None for any other name."""
    source, arrow, target = name.partition(ARROW)
    return (source, target) if arrow and source and target else None


def languages(names: Iterable[str]) -> list[str]:
    """The languages of directions, each once; the name itself of what is no direction."""
    found = [language for name in names for language in split(name) or (name,)]
    return list(dict.fromkeys(found))

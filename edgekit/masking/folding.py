"""One spelling for digits and signs of all scripts, with the place of each in the text itself."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Folded:
    text: str
    """ASCII digits, spaces and signs; letters as they were; nothing that cannot be seen."""
    places: tuple[int, ...]
    """Where each character stands in the text that was folded."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """A part of the folded text as a part of the other."""
        return self.places[start], self.places[end - 1] + 1


def fold(text: str) -> Folded:
    characters, places = [], []
    for place, character in enumerate(text):
        found = character if character.isascii() else _plain(character)
        if found:
            characters.append(found)
            places.append(place)
    return Folded("".join(characters), tuple(places))


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Zs":
        return " "
    if category == "Pd" or character == "−":
        return "-"
    if category == "Cf":
        return ""  # marks of direction and joiners, which may stand inside a number
    # Full-width letters and signs, as Chinese keyboards give them.
    wide = unicodedata.normalize("NFKC", character)
    return wide if len(wide) == 1 and wide.isascii() else character

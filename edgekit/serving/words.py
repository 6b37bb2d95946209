"""What people wrote and got, masked and cut for a log. Writes nothing."""

from __future__ import annotations

import re
from typing import Any

from edgekit.masking.mask import mask

MOST_CHARACTERS = 2000
"""Of all texts of one side of a call: masking a page of numbers takes tenths of a second."""
MOST_VALUES = 200
LEFT_OUT = "[…]"
_PLACE = re.compile(r"\s+")


def masked(value: Any) -> Any:
    """JSON with its texts, numbers and keys masked. What would be too much is left out, and says
    so."""
    return _Masking().of(value)


class _Masking:
    def __init__(self) -> None:
        self._characters, self._values = MOST_CHARACTERS, MOST_VALUES

    def of(self, value: Any) -> Any:
        self._values -= 1
        if self._values < 0:
            return LEFT_OUT
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(str(key)): self.of(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            kept = value[: max(0, self._values)]
            found = [self.of(one) for one in kept]
            return found if len(kept) == len(value) else [*found, LEFT_OUT]
        if isinstance(value, int) and not isinstance(value, bool):
            # A number of somebody's, as a model may write it into a field.
            return value if (said := self._text(str(value))) == str(value) else said
        return value

    def _text(self, text: str) -> str:
        kept = cut(text, max(0, self._characters))
        self._characters -= len(kept)
        said = mask(kept)
        return said if len(kept) == len(text) else said + LEFT_OUT


def cut(text: str, most: int) -> str:
    """The beginning of a text. It ends between two words without a digit or an @, so that no number
    and no address is cut in two: half of one is not recognized, and can be told from."""
    if len(text) <= most:
        return text
    window = text[: most + 1]
    for place in reversed(list(_PLACE.finditer(window))):
        before = window[: place.start()].split()[-1:]
        after = text[place.end() : place.end() + most].split(maxsplit=1)[:1]
        if place.start() <= most and not any(map(_tells, (*before, *after))):
            return text[: place.start()]
    return ""


def _tells(word: str) -> bool:
    return "@" in word or any(mark.isdigit() for mark in word)

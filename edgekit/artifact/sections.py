"""One mapping of a manifest, read key by key: each with its type, and none left. Opens no file."""

from __future__ import annotations

import re
from typing import Any

from edgekit.errors import ArtifactError

# Control characters and those that change the direction of text: both can deceive a terminal.
_DECEIVING = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def shown_as_is(text: str) -> bool:
    """Whether a terminal shows exactly this text: it is not empty and has no control characters."""
    return bool(text) and not _DECEIVING.search(text)


class Section:
    """One mapping of the manifest: each key is read once, with its type, and none may be left."""

    def __init__(self, value: Any, place: str) -> None:
        self.place = place
        if not isinstance(value, dict):
            raise self._wrong("a mapping")
        self._value = dict(value)

    def _wrong(self, wanted: str, key: str = "") -> ArtifactError:
        place = f"{self.place}: {key}" if key else self.place
        return ArtifactError(f"{place} must be {wanted}; build the artifact again.")

    def _take(self, key: str, kind: type, wanted: str) -> Any:
        value = self._value.pop(key, None)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._wrong(wanted, key)
        return value

    def text(self, key: str) -> str:
        value = self._take(key, str, "a text")
        if not shown_as_is(value):
            raise self._wrong("a text without control characters", key)
        return str(value)

    def raw_text(self, key: str) -> str:
        """A text that only the model reads and nobody is shown; it may be empty."""
        return str(self._take(key, str, "a text"))

    def integer(self, key: str) -> int:
        value = self._take(key, int, "a whole number")
        if not 0 <= value < 2**63:
            raise self._wrong("a whole number from 0 up", key)
        return int(value)

    def number(self, key: str) -> float:
        value = self._value.pop(key, None)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong("a number", key)
        return float(value)

    def flag(self, key: str) -> bool:
        value = self._value.pop(key, None)
        if not isinstance(value, bool):
            raise self._wrong("true or false", key)
        return value

    def integers(self, key: str) -> tuple[int, ...]:
        values = self.values(key)
        if not all(type(value) is int and 0 <= value < 2**63 for value in values):
            raise self._wrong("a list of whole numbers from 0 up", key)
        return tuple(values)

    def given(self, key: str) -> bool:
        """Whether a key, which must be there, is not null; one that is null counts as read."""
        if key not in self._value:
            raise self._wrong("there", key)
        if self._value[key] is None:
            del self._value[key]
            return False
        return True

    def shares(self, key: str) -> tuple[float, ...]:
        """Numbers between 0 and 1."""
        values = self.values(key)
        if not all(isinstance(value, float) and 0 < value < 1 for value in values):
            raise self._wrong("a list of numbers between 0 and 1", key)
        return tuple(values)

    def values(self, key: str) -> list[Any]:
        return list(self._take(key, list, "a list"))

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.values(key)
        if not all(isinstance(value, str) and shown_as_is(value) for value in values):
            raise self._wrong("a list of texts without control characters", key)
        return tuple(values)

    def mapping(self, key: str) -> dict[str, Any]:
        return dict(self._take(key, dict, "a mapping"))

    def mappings(self, key: str) -> tuple[dict[str, Any], ...]:
        values = self.values(key)
        if not all(isinstance(value, dict) for value in values):
            raise self._wrong("a list of mappings", key)
        return tuple(values)

    def names(self) -> list[str]:
        """All of them, for a mapping whose keys are names."""
        if not all(shown_as_is(key) for key in self._value):
            raise self._wrong("a mapping from names without control characters")
        return list(self._value)

    def has(self, key: str) -> bool:
        return key in self._value

    def section(self, key: str) -> Section:
        return Section(self._value.pop(key, None), f"{self.place}: {key}")

    def sections(self, key: str) -> list[Section]:
        place = f"{self.place}: {key}"
        return [Section(value, f"{place}[{i}]") for i, value in enumerate(self.values(key))]

    def finish(self) -> None:
        """An unknown key may change what the rest means, so it is never skipped."""
        if self._value:
            raise ArtifactError(
                f"{self.place}: this edgekit does not know '{next(iter(self._value))}'; "
                "pip install --upgrade edgekit"
            )

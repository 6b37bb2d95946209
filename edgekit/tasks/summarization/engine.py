"""The interfaces of a loaded summarizer, in this process or in a worker. Knows no format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edgekit.runtime.engine import Engine
from edgekit.system.cancel import Cancel
from edgekit.tasks.summarization.summary import Summary, Told, Wanted


class Shortener(Protocol):
    """Summarizes a text that fits into its window; tasks/summarization/parts.py makes it fit."""

    @property
    def window(self) -> int:
        """The window in tokens of text; the rest of the prompt does not count."""

    def count(self, text: str) -> int:
        """The tokens of a text without special ones; comparable with `window`."""

    def shorten(self, text: str, *, words: int, on_piece: Callable[[str], None]) -> str:
        """The text in about `words` words, reported in pieces of whole characters while it is made.

        `on_piece` raises Cancelled to stop it, which must not be caught.
        """


class Summarizer(Engine, Protocol):
    """Summarizes texts of any length, one after the other."""

    def summarize(
        self, text: str, wanted: Wanted, *, tell: Callable[[Told], None], cancel: Cancel
    ) -> Summary:
        """A summary of the whole text; if it is cancelled, of what was read until then."""

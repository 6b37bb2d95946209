"""What a model that summarizes does for the runtime, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from edgekit.runtime.engine import Engine
from edgekit.system.cancel import Cancel
from edgekit.tasks.summarization.summary import Summary, Told, Wanted


class Shortener(Protocol):
    """Shortens a text that fits into its window; tasks/summarization/parts.py makes it fit."""

    @property
    def window(self) -> int:
        """Tokens of text that it reads at once; all else that it must be told does not count."""

    def count(self, text: str) -> int:
        """The tokens of a text, special ones apart; all that is counted is compared to `window`."""

    def shorten(self, text: str, *, words: int, on_piece: Callable[[str], None]) -> str:
        """The text in about so many words, told in pieces of whole characters while it is made.

        `on_piece` raises Cancelled where somebody stopped it; that is let through.
        """


class Summarizer(Engine, Protocol):
    """Summarizes texts of any length, one after the other."""

    def summarize(
        self, text: str, wanted: Wanted, *, tell: Callable[[Told], None], cancel: Cancel
    ) -> Summary:
        """A summary of all of a text. Where it is cancelled: of what was read until then."""

"""A text whose words are marked by how much each of them mattered."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from edgekit_tui.text import clean

# A word that lowers the score by less than this did not matter.
_LEAST = 0.02


class Words(Static):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", markup=False, id=id)

    def show(self, words: Sequence[tuple[str, float]]) -> None:
        """The most important third stands out in shape too, for screens without colour."""
        most = max((weight for _, weight in words), default=0.0)
        parts = []
        for word, weight in words:
            share = weight / most if most > 0 else 0.0
            if weight < _LEAST:
                style = "$muted"
            elif share > 0.66:
                style = "bold underline $primary"
            else:
                style = "$primary"
            parts.append((clean(word), style))
        self.update(Content.assemble(*parts))

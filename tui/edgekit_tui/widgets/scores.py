"""Labels with their scores as bars, the best one large. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from edgekit_tui.i18n import _, percent
from edgekit_tui.text import one_line


def bar_line(share: float, width: int, colour: str) -> Content:
    """A line that fills `share` of `width` cells, to half a cell; thin where it is not filled."""
    halves = round(max(0.0, min(1.0, share)) * width * 2)
    filled = "━" * (halves // 2) + ("╸" if halves % 2 else "")
    return Content.assemble((filled, colour), ("─" * (width - len(filled)), "$track"))


class Scores(Widget):
    """The best label, and the next ones below it."""

    def __init__(self, *, most: int = 6, id: str | None = None) -> None:
        super().__init__(id=id)
        self._scores: Mapping[str, float] = {}
        self._abstained = False
        self._given: Sequence[str] | None = None
        self._most = most

    def show(
        self,
        scores: Mapping[str, float],
        *,
        abstained: bool = False,
        given: Sequence[str] | None = None,
    ) -> None:
        """`given` are the labels that a text got, where it may get several or none."""
        self._scores, self._abstained, self._given = scores, abstained, given
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        shown = min(len(self._scores), self._most)
        return shown + 2 if shown else 0

    def render(self) -> Content:
        width = max(10, self.content_size.width)
        ranked = sorted(self._scores.items(), key=lambda pair: -pair[1])[: self._most]
        if not ranked:
            return Content("")
        if self._given is not None:
            return self._set(ranked, self._given, width)
        lines = [
            self._best(*ranked[0], width),
            bar_line(ranked[0][1], width, "$primary"),
            Content(),
        ]
        return Content("\n").join([*lines, *(_line(*pair, width) for pair in ranked[1:])])

    def _set(
        self, ranked: Sequence[tuple[str, float]], given: Sequence[str], width: int
    ) -> Content:
        """All that was given in the first line, then every label with its own score."""
        head = Content.assemble((one_line(", ".join(given) or "–", most=width), "$primary bold"))
        lines = [
            _line(label, score, width, colour="$primary" if label in given else "$secondary")
            for label, score in ranked
        ]
        return Content("\n").join([head, Content(), *lines])

    def _best(self, label: str, score: float, width: int) -> Content:
        value = percent(score, digits=1)
        name = one_line(label, most=max(8, width - len(value) - 14))
        shown = Content.assemble((name, "$primary bold"))
        if self._abstained:
            shown = Content.assemble(shown, "  ", (_("not sure"), "$warning bold"))
        gap = max(1, width - shown.cell_length - len(value))
        return Content.assemble(shown, " " * gap, (value, "bold"))


def _line(label: str, score: float, width: int, *, colour: str = "$secondary") -> Content:
    value = f"{percent(score, digits=1):>7}"
    names = max(8, min(34, width // 2 - 6))
    name = Content(one_line(label, most=names)).stylize("$muted")
    name = name.pad_right(max(0, names - name.cell_length))
    bars = max(4, width - names - 9)
    return Content.assemble(name, " ", bar_line(score, bars, colour), " ", value)

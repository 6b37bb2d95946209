"""Reads Debian's installation guide: paragraphs of one section, aligned between languages.

The pages of all translations are made from one DocBook source, so a page has the same headings,
lists and paragraphs in each language. Knows no sets, labels or packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

_LISTS = ("dd", "dl", "dt", "li", "ol", "ul")
_TABLES = ("table", "tbody", "td", "th", "thead", "tr")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5")
_BLOCKS = frozenset(("blockquote", "div", "p", "pre", *_LISTS, *_TABLES, *_HEADINGS))
_LEFT_OUT = frozenset(("sup", "script", "style"))
"""Marks of footnotes, and what is no text."""


@dataclass(slots=True)
class Page:
    """One page of the guide in one language."""

    paragraphs: list[str] = field(default_factory=list)
    skeleton: list[str] = field(default_factory=list)
    """Its block elements in order: equal in two languages whose paragraphs correspond."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._inside = False
        self._left_out = 0

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.page.skeleton.append(tag)
            self._inside = tag == "p"
            if self._inside:
                self.page.paragraphs.append("")
        self._left_out += tag in _LEFT_OUT

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._inside = False
        self._left_out -= tag in _LEFT_OUT

    def handle_data(self, data: str) -> None:
        if self._inside and not self._left_out:
            self.page.paragraphs[-1] += data


def read(html: str) -> Page:
    """The page's paragraphs, each on one line, in order; empty ones are kept for the numbering."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.page.paragraphs = [" ".join(text.split()) for text in reader.page.paragraphs]
    return reader.page

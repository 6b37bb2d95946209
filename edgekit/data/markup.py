"""The text of HTML and Markdown, by the standard library's parser. Runs nothing in them."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from edgekit.data.documents import Document, OnPage, ignore, text_of

_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "caption", "dd", "div", "dl", "dt",
        "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
        "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "title", "tr",
        "ul",
    }
)  # fmt: skip
_UNREAD = frozenset({"script", "style", "template", "noscript", "svg", "math", "head"})
_MARKS = re.compile(r"^[ \t]{0,3}(?:#{1,6}[ \t]+|>[ \t]?|[-*_=]{2,}[ \t]*$)", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|\*|`)(?=\S)(.+?)(?<=\S)\1")
_FENCE = re.compile(r"^```.*?^```\s*$", re.MULTILINE | re.DOTALL)


def read_html(path: Path, encoding: str | None = None, on_page: OnPage = ignore) -> Document:
    found = text_of(path, encoding)
    return replace(found, text=html_text(found.text))


def read_markdown(path: Path, encoding: str | None = None, on_page: OnPage = ignore) -> Document:
    """The text without markup and without code listings."""
    found = text_of(path, encoding)
    text = _LINK.sub(r"\1", _MARKS.sub("", _FENCE.sub("", found.text)))
    return replace(found, text=_EMPHASIS.sub(r"\2", text))


def html_text(markup: str) -> str:
    """The visible text, with blank lines between paragraphs."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader.text()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNREAD:
            self._unread += 1
        elif tag in _BLOCKS:
            self._pieces.append("\n\n")
        elif tag == "br":
            self._pieces.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # <script/> has no end of its own.
        if tag in _BLOCKS or tag == "br":
            self._pieces.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNREAD:
            self._unread = max(0, self._unread - 1)
        elif tag in _BLOCKS:
            self._pieces.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            # Line breaks in the source mean nothing.
            self._pieces.append(" ".join(re.split(r"\s+", data)))

    def text(self) -> str:
        return re.sub(r"\n{3,}", "\n\n", "".join(self._pieces)).strip()

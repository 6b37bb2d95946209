"""The text of people's files: plain text, Markdown, HTML, PDF, Word and EPUB. Knows no model.

No file is trusted: its unpacked size is checked before it is unpacked, nothing in it is run or
fetched, and a file without text is an error.
"""

from __future__ import annotations

import importlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from pathlib import Path
from typing import cast

from edgekit.data import encodings, words
from edgekit.data.refusals import told
from edgekit.errors import DataError

MOST_BYTES = 500_000_000
MOST_CHARACTERS = 50_000_000


@dataclass(frozen=True, slots=True)
class Document:
    """A text and where its pages begin."""

    text: str
    pages: tuple[int, ...] = ()
    """The first character of each page; none for a format without pages."""
    warnings: tuple[str, ...] = ()
    """A sentence for each thing in the file that is missing from the text."""

    def page(self, at: int) -> int | None:
        """The page, from 1, that a character is on."""
        return bisect_right(self.pages, at) if self.pages else None


OnPage = Callable[[int, int], None]
"""Told how many pages were read, of how many, before each; may raise Cancelled to stop."""


def ignore(read: int, pages: int) -> None:
    """For those who show no progress."""


Reader = Callable[[Path, str | None, OnPage], Document]
"""Takes the path, the encoding of a text file, and who is told of the pages of a long one."""
READERS = {
    ".txt": "edgekit.data.documents:read_plain",
    ".text": "edgekit.data.documents:read_plain",
    ".md": "edgekit.data.markup:read_markdown",
    ".markdown": "edgekit.data.markup:read_markdown",
    ".html": "edgekit.data.markup:read_html",
    ".htm": "edgekit.data.markup:read_html",
    ".xhtml": "edgekit.data.markup:read_html",
    ".pdf": "edgekit.data.pdf:read_pdf",
    ".docx": "edgekit.data.zipped:read_docx",
    ".epub": "edgekit.data.zipped:read_epub",
}


def read(path: Path, *, encoding: str | None = None, on_page: OnPage = ignore) -> Document:
    """The text of a file, by its suffix. Raises DataError if it has none or cannot be read.

    `encoding` is that of a text file, found out unless given; a guess is among the warnings.
    `on_page` is told of each page of a PDF, of which some have thousands."""
    place = READERS.get(path.suffix.lower())
    if place is None:
        raise DataError(
            told(
                "no-kind-of-text",
                {"path": path, "suffix": path.suffix, "suffixes": ", ".join(READERS)},
            )
        )
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(told("cannot-open", {"path": path, "reason": error.strerror})) from error
    if size > MOST_BYTES:
        raise DataError(told("too-many-bytes", {"path": path, "most": MOST_BYTES // 10**6}))
    module, _, function = place.partition(":")
    reader = cast("Reader", getattr(importlib.import_module(module), function))
    try:
        document = reader(path, encoding, on_page)
    except OSError as error:
        raise DataError(
            told("cannot-open", {"path": path, "reason": error.strerror or error})
        ) from error
    return _checked(document, str(path))


def from_text(text: str) -> Document:
    """A document from a string."""
    return _checked(Document(text), "the text")


def read_plain(path: Path, encoding: str | None = None, on_page: OnPage = ignore) -> Document:
    return text_of(path, encoding)


def text_of(path: Path, encoding: str | None) -> Document:
    """The whole of a text file, whatever its encoding."""
    with path.open("rb") as stream:
        found = encodings.named(encoding) if encoding else encodings.found_in(stream, str(path))
        text = encodings.text(stream, found, str(path))
    guess = f"Read as {found.title}, a guess: see whether its letters are right."
    return Document(text, warnings=(guess,) if found.guessed else ())


def decode(data: bytes, place: str) -> str:
    """UTF-8, or what a BOM says; DataError for anything else."""
    stream = BytesIO(data)
    found = encodings.certain_in(stream, place)
    return encodings.text(stream, found, place).removeprefix("\ufeff")


def joined(pages: Sequence[str], warnings: Sequence[str] = ()) -> Document:
    """Pages or chapters as one text."""
    pieces = [page + "\n\n" for page in pages]
    starts = accumulate((len(piece) for piece in pieces[:-1]), initial=0)
    return Document("".join(pieces), tuple(starts), tuple(warnings))


def _checked(document: Document, place: str) -> Document:
    if len(document.text) > MOST_CHARACTERS:
        raise DataError(
            told("too-many-characters", {"place": place, "most": MOST_CHARACTERS // 10**6})
        )
    if not words.any_in(document.text):
        raise DataError(told("no-text", {"place": place}))
    return document

"""The text of PDF files, page by page, by pypdf. Does not read pictures."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgekit.data.documents import Document, OnPage, ignore, joined
from edgekit.data.page_texts import mended
from edgekit.data.refusals import told
from edgekit.errors import DataError, MissingExtra
from edgekit.system.cancel import Cancelled

MOST_PAGES = 20_000


def read_pdf(path: Path, encoding: str | None = None, on_page: OnPage = ignore) -> Document:
    """Raises DataError for a file that needs a password or is not a PDF."""
    if importlib.util.find_spec("pypdf") is None:
        raise MissingExtra("pypdf", "files")
    from pypdf import PdfReader  # an extra
    from pypdf.errors import PyPdfError

    with _quiet(), path.open("rb") as stream:
        try:
            reader = PdfReader(stream)
            if reader.is_encrypted and not reader.decrypt(""):
                raise DataError(told("pdf-password", {"path": path}))
            count = len(reader.pages)
            if count > MOST_PAGES:
                raise DataError(told("pdf-pages", {"path": path, "most": f"{MOST_PAGES:,}"}))
            pages: list[str] = []
            for page in reader.pages:
                on_page(len(pages), count)
                pages.append(page.extract_text())
        except (DataError, Cancelled):
            raise
        except (PyPdfError, *_DAMAGE) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(told("pdf-damaged", {"path": path, "reason": reason})) from error
    empty = sum(not page.strip() for page in pages)
    missing = [
        f"{empty} of {len(pages)} pages have no text (pictures, or nothing) and were not read."
    ]
    return joined(mended(pages), missing if empty else [])


# What pypdf raises on damaged files, besides its own errors.
_DAMAGE: tuple[Any, ...] = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, AssertionError,
    NotImplementedError, MemoryError, UnicodeError, ZeroDivisionError, StopIteration, ImportError,
)  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences pypdf, which logs every small thing that is wrong with a file."""
    log = logging.getLogger("pypdf")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before

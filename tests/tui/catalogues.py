"""The texts of the app and its catalogues; `python tests/tui/catalogues.py` updates these.

What is new gets no translation, and the tests fail until it has one. A text that nobody has
confirmed carries gettext's flag `fuzzy`; a speaker confirms it by removing that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import edgekit_tui
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from edgekit_tui.i18n import FOLDER, LANGUAGES, SOURCE

_KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
# Catalogues are the same whenever they are written.
_NEVER = datetime(2026, 1, 1, tzinfo=UTC)

Key = str | tuple[str, ...]


def texts() -> Catalog:
    """Every text that the code marks, with the files it stands in."""
    found = Catalog(project="edgekit", charset="utf-8", creation_date=_NEVER)
    source = Path(edgekit_tui.__file__).parent
    for name, _line, message, _comments, context in extract_from_dir(
        source, method_map=[("**.py", "python")], keywords=_KEYWORDS
    ):
        found.add(message, locations=[(name, None)], context=context)  # type: ignore[list-item]
    return found


def read(code: str) -> Catalog:
    with (FOLDER / f"{code}.po").open("rb") as stream:
        return read_po(stream, locale=code)


def write(catalogue: Catalog, code: str) -> None:
    with (FOLDER / f"{code}.po").open("wb") as stream:
        write_po(stream, catalogue, width=98, sort_by_file=True, include_lineno=False)


def update(code: str) -> None:
    catalogue = read(code)
    catalogue.update(texts(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    write(catalogue, code)


if __name__ == "__main__":
    for language in LANGUAGES:
        if language != SOURCE:
            update(language)

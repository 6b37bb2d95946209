"""The sentences of errors and their catalogues; `python tests/wording/catalogues.py` updates these.

As for the app's (tests/tui/catalogues.py): what is new gets no translation, and the tests fail
until it has one; what nobody has confirmed carries gettext's flag `fuzzy`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

import edgekit
from edgekit.wording.translating import FOLDER, LANGUAGES, SOURCE

_WIDTH = 98
# Catalogues are the same whenever they are written.
NEVER = datetime(2026, 1, 1, tzinfo=UTC)


def tables() -> Iterator[tuple[str, Mapping[str, str]]]:
    """Every module with such sentences, and these by code."""
    root = Path(edgekit.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if "TEMPLATES = {" in path.read_text(encoding="utf-8"):
            name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            yield name, importlib.import_module(name).TEMPLATES


def texts() -> dict[str, str]:
    """Every sentence by its code, in the order of their modules."""
    return {code: text for _, table in tables() for code, text in table.items()}


def read(language: str) -> Catalog:
    path = FOLDER / f"{language}.po"
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as stream:
        return read_po(stream, locale=language)


def write(language: str, translated: Mapping[str, str]) -> None:
    """Every sentence: with the one given, else with the one that there was."""
    before = {message.context: message for message in read(language) if message.id}
    catalogue = Catalog(
        locale=language, project="edgekit", creation_date=NEVER, revision_date=NEVER, fuzzy=False
    )
    for code, text in texts().items():
        old = before.get(code)
        same = old is not None and old.id == text and code not in translated
        said = translated.get(code) or (str(old.string) if same and old is not None else "")
        confirmed = same and old is not None and not old.fuzzy
        catalogue.add(text, said, context=code, flags=() if confirmed else ("fuzzy",))
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{language}.po").open("wb") as stream:
        write_po(stream, catalogue, width=_WIDTH)


if __name__ == "__main__":
    for one in LANGUAGES:
        if one != SOURCE:
            write(one, {})

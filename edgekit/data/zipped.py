"""The text of Word and EPUB files: zip files of XML, whose size is checked before unpacking."""

from __future__ import annotations

import importlib.util
import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from edgekit.data.documents import Document, OnPage, decode, ignore, joined
from edgekit.data.markup import html_text
from edgekit.data.refusals import told
from edgekit.errors import DataError, MissingExtra

MOST_UNPACKED_BYTES = 500_000_000
# Text compresses to a tenth; what compresses a hundredfold is a zip bomb.
MOST_RATIO = 200
_SMALL_BYTES = 20_000_000
_MOST_FILES = 20_000
_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


def read_docx(path: Path, encoding: str | None = None, on_page: OnPage = ignore) -> Document:
    """Paragraphs and tables in order. Raises DataError for a file that is not a Word file."""
    if importlib.util.find_spec("docx") is None:
        raise MissingExtra("python-docx", "files")
    import docx  # an extra
    from docx.table import Table

    with opened_zip(path) as archive:
        if "word/document.xml" not in archive.namelist():
            raise DataError(told("no-word-file", {"path": path}))
    try:
        document = docx.Document(str(path))
        blocks = [
            "\n".join(_rows(block)) if isinstance(block, Table) else block.text
            for block in document.iter_inner_content()
        ]
    except (ValueError, KeyError, AttributeError, SyntaxError, RecursionError) as error:
        # lxml's errors are SyntaxErrors.
        raise DataError(told("word-damaged", {"path": path, "reason": error})) from error
    return Document("\n\n".join(blocks))


def _rows(table: object) -> Iterator[str]:
    from docx.table import Table  # an extra, as above

    if isinstance(table, Table):
        for row in table.rows:
            yield " | ".join(dict.fromkeys(cell.text.strip() for cell in row.cells))


def read_epub(path: Path, encoding: str | None = None, on_page: OnPage = ignore) -> Document:
    """The chapters in reading order. Raises DataError for an encrypted book."""
    with opened_zip(path) as archive:
        names = set(archive.namelist())
        if _ENCRYPTION in names and _is_locked(_xml(archive, _ENCRYPTION, path)):
            raise DataError(told("book-locked", {"path": path}))
        chapters = [
            html_text(decode(archive.read(name), f"{path}: {name}"))
            for name in _chapters(archive, path)
            if name in names
        ]
    return Document(joined(chapters).text)


def _chapters(archive: zipfile.ZipFile, path: Path) -> list[str]:
    """The files that the book's spine lists."""
    container = _xml(archive, _CONTAINER, path)
    root = next((one.get("full-path", "") for one in container.iter() if _is(one, "rootfile")), "")
    package = _xml(archive, root, path)
    items = {one.get("id"): one.get("href", "") for one in package.iter() if _is(one, "item")}
    order = [one.get("idref") for one in package.iter() if _is(one, "itemref")]
    folder = posixpath.dirname(root)
    return [
        posixpath.normpath(posixpath.join(folder, unquote(items[one])))
        for one in order
        if one in items
    ]


def _is(element: ElementTree.Element, name: str) -> bool:
    return isinstance(element.tag, str) and element.tag.rpartition("}")[2] == name


def _is_locked(encryption: ElementTree.Element) -> bool:
    """Whether more than fonts is encrypted."""
    methods = [one.get("Algorithm") for one in encryption.iter() if _is(one, "EncryptionMethod")]
    return any(method not in _FONTS for method in methods)


def _xml(archive: zipfile.ZipFile, name: str, path: Path) -> ElementTree.Element:
    try:
        data = archive.read(name)
    except KeyError as error:
        raise DataError(told("no-epub", {"path": path, "name": name or "contents"})) from error
    if b"<!ENTITY" in data:
        # Nested entities can fill the memory; no book needs them.
        raise DataError(f"{path}: {name} defines entities, which edgekit does not read.")
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise DataError(
            told("book-damaged", {"path": path, "name": name, "reason": error})
        ) from error


def opened_zip(path: Path) -> zipfile.ZipFile:
    """The zip file, once its unpacked size is known to be reasonable.

    The size that it declares is binding: zipfile reads no more than that of any entry.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(
            told("zip-damaged", {"path": path, "suffix": path.suffix, "reason": error})
        ) from error
    entries = archive.infolist()
    unpacked, packed = (
        sum(getattr(one, name) for one in entries) for name in ("file_size", "compress_size")
    )
    bomb = unpacked > _SMALL_BYTES and unpacked > MOST_RATIO * max(1, packed)
    if bomb or unpacked > MOST_UNPACKED_BYTES or len(entries) > _MOST_FILES:
        archive.close()
        raise DataError(
            told(
                "zip-too-large",
                {
                    "path": path,
                    "packed": f"{packed / 1000000.0:.1f}",
                    "unpacked": f"{unpacked / 1000000.0:,.0f}",
                },
            )
        )
    if any(one.flag_bits & 1 for one in entries):
        archive.close()
        raise DataError(told("zip-password", {"path": path}))
    return archive

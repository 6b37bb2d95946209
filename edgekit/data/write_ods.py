"""Writes records as .ods: into a copy of the workbook that they came from, or anew."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from edgekit.data import sheets
from edgekit.data.partial import Original, names_of, records_of, text_of
from edgekit.data.workbook_copy import placed
from edgekit.errors import DataError

_OASIS = "urn:oasis:names:tc:opendocument:xmlns"
_TABLE, _OFFICE, _TEXT = (f"{{{_OASIS}:{name}:1.0}}" for name in ("table", "office", "text"))
_ROW, _CELL = f"{_TABLE}table-row", f"{_TABLE}table-cell"
_CELLS = (_CELL, f"{_TABLE}covered-table-cell")
_ROWS_REPEATED = f"{_TABLE}number-rows-repeated"
_COLUMNS_REPEATED = f"{_TABLE}number-columns-repeated"
_FORMULA = f"{_TABLE}formula"
_SPACES = re.compile(r"(^ +| {2,}| +$|\t)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_KIND = "application/vnd.oasis.opendocument.spreadsheet"
_CONTENT = (
    f'<office:document-content xmlns:office="{_OASIS}:office:1.0" '
    f'xmlns:table="{_OASIS}:table:1.0" xmlns:text="{_OASIS}:text:1.0" office:version="1.2">'
    '<office:body><office:spreadsheet><table:table table:name="edgekit"/></office:spreadsheet>'
    "</office:body></office:document-content>"
)
_MANIFEST = (
    f'<manifest:manifest xmlns:manifest="{_OASIS}:manifest:1.0" manifest:version="1.2">'
    f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{_KIND}"/>'
    '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
    "</manifest:manifest>"
)


def write(partial: Path, whole: Path, original: Original | None) -> tuple[str, ...]:
    if original is None or original.path.suffix.lower() != ".ods":
        _make(partial, whole)
        return ()
    copy_of = placed(partial, original)
    new: dict[int, Sequence[Any]] = {copy_of.header: copy_of.added}
    for number, record in copy_of.rows.items():
        new[number] = [record.get(name) for name in copy_of.added]
    with sheets.opened_zip(original.path) as archive:
        tree = _parsed(archive.read("content.xml"))
        table = _table(tree, copy_of.sheet)
        _extend(table, new, copy_of.gone, width=copy_of.width)
        if copy_of.gone:
            # Of rows that move, formulas would count other cells: their values are kept instead.
            for cell in table.iter(_CELL):
                cell.attrib.pop(_FORMULA, None)
        _save(whole, tree, archive)
    return ()


def _parsed(data: bytes) -> Any:
    from lxml import etree  # an extra

    # Nothing that a file names is fetched or filled in.
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, huge_tree=True))


def _table(tree: Any, name: str) -> Any:
    for table in tree.iter(f"{_TABLE}table"):
        if table.get(f"{_TABLE}name") == name:
            return table
    raise DataError(f"There is no sheet '{name}' any more; read the file again.")


def _extend(
    table: Any, new: Mapping[int, Sequence[Any]], gone: frozenset[int], *, width: int
) -> None:
    """Puts values behind these rows, and takes others away."""
    number = 0
    touched = new.keys() | gone
    for row in list(table.iter(_ROW)):
        count = int(row.get(_ROWS_REPEATED, "1"))
        first, number = number + 1, number + count
        here = [one for one in range(first, number + 1) if one in touched] if count < 10**5 else []
        if not here:
            continue
        if count == 1:
            parts = {first: row}
        else:
            # Rows that were alike, and are not any more.
            parts = dict(zip(range(first, number + 1), _apart(row, count), strict=True))
        for one, part in parts.items():
            if one in gone:
                part.getparent().remove(part)
            elif one in new:
                _append(part, new[one], width=width)


def _apart(row: Any, count: int) -> Iterator[Any]:
    del row.attrib[_ROWS_REPEATED]
    last = row
    for at in range(count):
        if at:
            copied = deepcopy(row)
            last.addnext(copied)
            last = copied
        yield last


def _append(row: Any, values: Sequence[Any], *, width: int) -> None:
    cells = [one for one in row if one.tag in _CELLS]
    while cells and cells[-1].tag == _CELL and len(cells[-1]) == 0 and not _holds(cells[-1]):
        row.remove(cells.pop())
    used = sum(int(one.get(_COLUMNS_REPEATED, "1")) for one in cells)
    if used < width:
        row.append(row.makeelement(_CELL, {_COLUMNS_REPEATED: str(width - used)}))
    for value in values:
        row.append(_cell(row, value))


def _holds(cell: Any) -> bool:
    return cell.get(f"{_OFFICE}value-type") is not None or cell.get(_FORMULA) is not None


def _cell(row: Any, value: Any) -> Any:
    if value is None:
        return row.makeelement(_CELL)
    kind, attribute = f"{_OFFICE}value-type", f"{_OFFICE}value"
    if isinstance(value, bool):
        return row.makeelement(
            _CELL, {kind: "boolean", f"{_OFFICE}boolean-value": str(value).lower()}
        )
    if isinstance(value, int | float) and abs(value) <= 2**53:
        return row.makeelement(_CELL, {kind: "float", attribute: repr(value)})
    cell = row.makeelement(_CELL, {kind: "string"})
    for line in _CONTROLS.sub("�", text_of(value)).split("\n"):
        cell.append(_paragraph(row, line))
    return cell


def _paragraph(row: Any, line: str) -> Any:
    """A line of a cell; spaces at its ends, several of them and tabs are elements."""
    paragraph = row.makeelement(f"{_TEXT}p")
    first, *rest = _SPACES.split(line)
    paragraph.text = first
    for spaces, text in zip(rest[::2], rest[1::2], strict=True):
        name, count = ("tab", {}) if spaces == "\t" else ("s", {f"{_TEXT}c": str(len(spaces))})
        one = row.makeelement(f"{_TEXT}{name}", count)
        one.tail = text
        paragraph.append(one)
    return paragraph


def _make(partial: Path, whole: Path) -> None:
    tree = _parsed(_CONTENT.encode())
    table = _table(tree, "edgekit")
    names = names_of(partial)
    lines: list[list[Any]] = [list(names)]
    for values in (*lines, *([one.get(name) for name in names] for one in records_of(partial))):
        row = table.makeelement(_ROW)
        table.append(row)
        _append(row, values, width=0)
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", _KIND, zipfile.ZIP_STORED)
        archive.writestr("META-INF/manifest.xml", _MANIFEST)
        archive.writestr("content.xml", _bytes(tree))


def _save(whole: Path, tree: Any, before: zipfile.ZipFile) -> None:
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in before.infolist():
            data = _bytes(tree) if entry.filename == "content.xml" else before.read(entry)
            archive.writestr(entry, data)


def _bytes(tree: Any) -> bytes:
    from lxml import etree  # an extra

    return bytes(etree.tostring(tree, xml_declaration=True, encoding="UTF-8"))

"""A small .ods file, written by hand."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_KIND = "application/vnd.oasis.opendocument.spreadsheet"
_OASIS = "urn:oasis:names:tc:opendocument:xmlns"


def ods(
    path: Path, rows: Sequence[Sequence[str]], *, repeated: tuple[int, int] | None = None
) -> Path:
    """`repeated` says how often the last row and its last cell are repeated."""
    lines = [[_cell(text) for text in row] for row in rows]
    found = [f"<table:table-row>{''.join(line)}</table:table-row>" for line in lines]
    if repeated:
        found[-1] = found[-1].replace(
            "<table:table-row>", f'<table:table-row table:number-rows-repeated="{repeated[0]}">'
        )
        found[-1] = found[-1].replace(
            "<table:table-cell ",
            f'<table:table-cell table:number-columns-repeated="{repeated[1]}" ',
        )
    content = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<office:document-content xmlns:office="{_OASIS}:office:1.0" '
        f'xmlns:table="{_OASIS}:table:1.0" xmlns:text="{_OASIS}:text:1.0" office:version="1.2">'
        '<office:body><office:spreadsheet><table:table table:name="Sheet">'
        f"{''.join(found)}</table:table></office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", _KIND, zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            f'<?xml version="1.0"?><manifest:manifest xmlns:manifest="{_OASIS}:manifest:1.0">'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{_KIND}"/>'
            '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
            "</manifest:manifest>",
        )
    return path


def _cell(text: str) -> str:
    return (
        f'<table:table-cell office:value-type="string"><text:p>{escape(text)}</text:p>'
        "</table:table-cell>"
    )

"""Workbooks, .xlsx and .ods, read by calamine: one sheet as rows of texts. Writes nothing.

Numbers are read as their digits and times in ISO form: a cell is text, as in CSV.
"""

from __future__ import annotations

import importlib.util
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from itertools import chain, islice
from pathlib import Path
from typing import Any

from edgekit.data.header import ROWS, Header, header_at, letters
from edgekit.data.reading import AS_FOUND, Form, Reading
from edgekit.data.refusals import told
from edgekit.data.separated import Opened, Records
from edgekit.data.zipped import opened_zip
from edgekit.errors import DataError, MissingExtra
from edgekit.wording.suggestions import did_you_mean

SUFFIXES = (".xlsx", ".ods")
MOST_CELLS = 50_000_000
_NEEDED = {
    ".xlsx": {"python_calamine": "python-calamine", "openpyxl": "openpyxl"},
    ".ods": {"python_calamine": "python-calamine", "lxml": "lxml"},
}
_CELL = re.compile(rb"""\br\s*=\s*["']([A-Z]{1,3})([0-9]{1,7})["']""", re.IGNORECASE)
_CHUNK = 1 << 20
_OVERLAP = 32


@dataclass(frozen=True, slots=True)
class Sheet:
    """The sheet of a workbook that is read."""

    form: Form
    header: Header | None
    """None where it has no rows."""
    rows: Iterator[tuple[int, list[str]]]
    """The rows below the header that are not blank, numbered as a person sees them."""
    place: str


def opened(path: Path, reading: Reading = AS_FOUND) -> Opened:
    """The form of a workbook's sheet and its records, blank rows passed over. Raises DataError."""
    sheet = read(path, reading)
    return Opened(sheet.form, _records(sheet))


def _records(sheet: Sheet) -> Records:
    for number, fields in sheet.rows:
        if sheet.header is not None:
            place = f"{sheet.place}, row {number}"
            yield place, sheet.header.record(fields, place, loose=True)


def read(path: Path, reading: Reading = AS_FOUND) -> Sheet:
    """Raises DataError."""
    sheets, name, rows = _sheet(path, reading.sheet)
    place = f"{path}: sheet '{name}'"
    head = list(islice(rows, ROWS))
    above = reading.header - 1 if reading.header is not None else header_at([r for _, r in head])
    numbered = chain(head, rows)
    titles = tuple(tuple(fields) for _, fields in islice(numbered, above))
    first = next(numbered, None)
    if first is None:
        if reading.header is not None:
            raise DataError(told("no-header-row", {"place": place, "row": reading.header}))
        return Sheet(Form(sheet=name, sheets=sheets), None, iter(()), place)
    header = Header(first[1], f"{place}, row {first[0]}")
    form = Form(first[0], titles, header.cells, sheet=name, sheets=sheets)
    filled = ((number, fields) for number, fields in numbered if any(map(str.strip, fields)))
    return Sheet(form, header, filled, place)


def require(suffix: str) -> None:
    """Raises MissingExtra where what reads or writes such a workbook is not installed."""
    for name, package in _NEEDED[suffix].items():
        if importlib.util.find_spec(name) is None:
            raise MissingExtra(package, "files")


def _sheet(
    path: Path, wanted: str | None
) -> tuple[tuple[str, ...], str, Iterator[tuple[int, list[str]]]]:
    """The names of all sheets that can be seen, the one that is read, and its numbered rows."""
    require(path.suffix.lower())
    import python_calamine as calamine  # an extra

    _check_size(path)
    try:
        book = calamine.CalamineWorkbook.from_path(path)
        seen = tuple(
            one.name
            for one in book.sheets_metadata
            if one.typ == calamine.SheetTypeEnum.WorkSheet
            and one.visible == calamine.SheetVisibleEnum.Visible
        )
        if wanted is not None and wanted not in book.sheet_names:
            raise DataError(
                told(
                    "no-sheet",
                    {"path": path, "sheet": wanted, "hint": did_you_mean(wanted, book.sheet_names)},
                )
            )
        # The first that has more than a title, else the first.
        names = [wanted] if wanted is not None else list(seen)
        for name in names:
            sheet = book.get_sheet_by_name(name)
            if sheet.height > 1:
                return seen, name, _rows(sheet)
        if not names:
            raise DataError(told("no-visible-sheet", {"path": path}))
        return seen, names[0], _rows(book.get_sheet_by_name(names[0]))
    except DataError:
        raise
    except calamine.PasswordError:
        raise DataError(told("sheet-password", {"path": path})) from None
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise DataError(
            told("sheet-damaged", {"path": path, "suffix": path.suffix, "reason": error})
        ) from error
    except BaseException as error:
        # A panic in Rust is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise DataError(
            told("sheet-damaged", {"path": path, "suffix": path.suffix, "reason": error})
        ) from error


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """The rows from the first of the sheet, blank ones included."""
    left = [""] * (sheet.start or (0, 0))[1]
    for number, cells in enumerate(sheet.iter_rows(), 1):
        yield number, left + [text_of(cell) for cell in cells]


def text_of(value: Any) -> str:
    """A cell as text: what a person reads there, without the format of numbers and times."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e18:
        return str(int(value))
    if isinstance(value, datetime):
        # A day without a time is a datetime at midnight.
        return str(value.date() if value.time() == time() else value.replace(microsecond=0))
    return str(value.replace(microsecond=0)) if isinstance(value, time) else str(value)


def _check_size(path: Path) -> None:
    """Refuses what would fill the memory: calamine keeps every cell up to the last, filled or not,
    and a failed allocation ends the process."""
    with opened_zip(path) as archive:
        for entry in archive.infolist():
            if entry.filename.lower().endswith(".xml"):
                rows, columns = _extent(archive, entry)
                if rows * columns > MOST_CELLS:
                    raise DataError(
                        told(
                            "sheet-too-far",
                            {"path": path, "row": f"{rows:,}", "column": letters(columns - 1)},
                        )
                    )


def _extent(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[int, int]:
    rows, widest, rest = 0, b"", b""
    with archive.open(entry) as stream:
        while chunk := stream.read(_CHUNK):
            for column, row in _CELL.findall(rest + chunk):
                rows = max(rows, int(row))
                widest = max(widest, column, key=lambda name: (len(name), name))
            rest = chunk[-_OVERLAP:]
    return rows, _number(widest.decode().upper())


def _number(name: str) -> int:
    number = 0
    for letter in name:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number

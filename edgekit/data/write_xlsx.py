"""Writes records as .xlsx by openpyxl: into a copy of the workbook that they came from, or anew."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from edgekit.data import sheets
from edgekit.data.partial import Original, names_of, records_of, text_of
from edgekit.data.workbook_copy import Copy, placed
from edgekit.errors import DataError

MOST_LETTERS, MOST_ROWS = 32_767, 1_048_576
_MOST_EXACT = 2**53
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LOST = ("xl/media/", "xl/drawings/", "xl/comments", "xl/pivotTables/", "customXml/")


def write(partial: Path, whole: Path, original: Original | None) -> tuple[str, ...]:
    if original is None or original.path.suffix.lower() != ".xlsx":
        _make(partial, whole)
        return ()
    copy_of = placed(partial, original)
    with _quiet() as said:
        # Of rows that move, formulas would count other cells: their values are kept instead.
        book = _load(original.path, values=bool(copy_of.gone))
        page = book[copy_of.sheet]
        _add(page, copy_of)
        if copy_of.gone:
            _keep(book, page, above=copy_of.header, rows=sorted(copy_of.rows))
        book.save(whole)
    return (*_lost(original.path), *said)


def _load(path: Path, *, values: bool) -> Any:
    import openpyxl  # an extra

    return openpyxl.load_workbook(path, rich_text=True, data_only=values)


def _add(page: Any, copy_of: Copy) -> None:
    style = page.cell(copy_of.header, copy_of.width)
    for column, name in enumerate(copy_of.added, copy_of.width + 1):
        cell = page.cell(copy_of.header, column)
        _fill(cell, name)
        cell._style = copy(style._style)  # the way that openpyxl's own documentation copies one
        for row, record in copy_of.rows.items():
            _fill(page.cell(row, column), record.get(name))


def _keep(book: Any, page: Any, *, above: int, rows: Sequence[int]) -> None:
    """Leaves only these rows below the header, close together."""
    title = page.title
    made = book.create_sheet(index=book.index(page))
    for target, row in enumerate([*range(1, above + 1), *rows], 1):
        for cell in page[row]:
            if cell.value is None and not cell.has_style:
                continue
            copied = made.cell(target, cell.column, cell.value)
            copied._style = copy(cell._style)
            if cell.hyperlink:
                copied.hyperlink = copy(cell.hyperlink)
        if row in page.row_dimensions:
            made.row_dimensions[target].height = page.row_dimensions[row].height
    for letter, one in page.column_dimensions.items():
        made.column_dimensions[letter].width = one.width
        made.column_dimensions[letter].hidden = one.hidden
    for merged in page.merged_cells.ranges:
        if merged.max_row <= above:
            made.merge_cells(merged.coord)
    made.freeze_panes = page.freeze_panes
    book.remove(page)
    made.title = title


def _make(partial: Path, whole: Path) -> None:
    import openpyxl  # an extra
    from openpyxl.cell import WriteOnlyCell

    names = names_of(partial)
    # Before the first row: openpyxl leaves half a sheet behind where writing stops.
    for number, record in enumerate(records_of(partial), 2):
        if number > MOST_ROWS:
            raise DataError(f"A sheet has at most {MOST_ROWS:,} rows; name the new file .csv.")
        for value in record.values():
            _checked(value)
    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet("edgekit")
    page.append(names)
    for record in records_of(partial):
        cells = [WriteOnlyCell(page) for _ in names]
        for cell, name in zip(cells, names, strict=True):
            _fill(cell, record.get(name))
        page.append(cells)
    book.save(whole)


def _fill(cell: Any, value: Any) -> None:
    cell.value = _checked(value)
    if isinstance(cell.value, str):
        cell.data_type = "s"  # a text may begin with =, and is no formula


def _checked(value: Any) -> str | bool | int | float | None:
    """What a cell can hold. Raises DataError."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MOST_EXACT:
        value = str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _CONTROLS.sub("�", text_of(value))
    if len(text) > MOST_LETTERS:
        raise DataError(
            f"A cell of a workbook holds {MOST_LETTERS:,} characters, and a text has "
            f"{len(text):,}; name the new file .csv."
        )
    return text


def _lost(path: Path) -> tuple[str, ...]:
    with sheets.opened_zip(path) as archive:
        if any(name.startswith(_LOST) for name in archive.namelist()):
            return ("pictures, charts and comments may be missing in the copy",)
    return ()


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """Collects what openpyxl warns of: parts of a workbook that it leaves out."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
    said += sorted({str(one.message) for one in caught if "removed" in str(one.message)})

"""Which row of a table names the columns, and a record of each row below it. Reads no file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from edgekit.data.refusals import told
from edgekit.errors import DataError

ROWS = 60
"""How many rows are looked at."""
_WORD = re.compile(r"\w{1,40}", re.ASCII)


def header_at(rows: Sequence[Sequence[str]]) -> int:
    """The place, from 0, of the row that names the columns among the first rows of a table.

    It is the first that is not blank, unless titles stand above it: rows with one filled cell,
    above rows with several.
    """
    filled = [[cell for cell in row if cell.strip()] for row in rows]
    first = next((at for at, cells in enumerate(filled) if cells), 0)
    if len(filled[first:]) < 3 or len(filled[first]) != 1:
        return first
    if len(rows[first]) == 1 and _WORD.fullmatch(filled[first][0]):
        return first  # the name of the only column; the rows below it have delimiters in the text
    wide = next((at for at, cells in enumerate(filled) if len(cells) > 1), first)
    below = filled[wide + 1 :]
    same = sum(len(rows[wide + 1 + at]) == len(rows[wide]) for at in range(len(below)))
    # "Good morning, doctor" is a text with a comma, and names no columns.
    named = not any(cell[0] == " " for cell in rows[wide] if cell.strip())
    return wide if below and named and 2 * same > len(below) else first


def letters(at: int) -> str:
    """The name of a column as spreadsheets have it: 0 is A, 26 is AA."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


class Header:
    """The names of the columns; a blank one is called by its letter, as `column C`."""

    def __init__(self, cells: Sequence[str], place: str) -> None:
        self.cells = tuple(cells)
        end = max((at for at, cell in enumerate(cells, 1) if cell.strip()), default=0)
        if not end:
            raise DataError(told("header-blank", {"place": place}))
        twice = next((cell for cell in cells[:end] if cell.strip() and cells.count(cell) > 1), None)
        if twice is not None:
            raise DataError(told("column-twice", {"place": place, "column": twice}))
        self.names = tuple(
            cell if cell.strip() else f"column {letters(at)}" for at, cell in enumerate(cells[:end])
        )

    def all_names(self) -> tuple[str, ...]:
        """A name for each cell of the header, the blank ones at its end included."""
        blank = range(len(self.names), len(self.cells))
        return (*self.names, *(f"column {letters(at)}" for at in blank))

    def record(self, fields: Sequence[str], place: str, *, loose: bool = False) -> dict[str, Any]:
        """A row by column. A row is as wide as the header, but for empty cells at its end, unless
        `loose`: the cells of a sheet stand where they stand."""
        width = len(self.names)
        found = dict(zip(self.names, fields, strict=False))
        for at, cell in enumerate(fields[width:], width):
            if cell.strip() and (loose or at < len(self.cells)):
                found[f"column {letters(at)}"] = cell
        short = len(fields) < width
        wide = len(fields) > len(self.cells) and any(fields[len(self.cells) :])
        if not loose and (short or wide):
            raise DataError(
                told("field-count", {"place": place, "fields": len(fields), "columns": width})
            )
        found.update(dict.fromkeys(self.names[len(fields) :], ""))
        return found

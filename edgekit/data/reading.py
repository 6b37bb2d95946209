"""How a table is to be read, and how it was found to be written. Reads no file."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.data.encodings import Encoding


@dataclass(frozen=True, slots=True)
class Reading:
    """What a person says of a table; whatever is None is found out from the file."""

    encoding: str | None = None
    sheet: str | None = None
    header: int | None = None
    """The row or line, from 1, that names the columns."""


AS_FOUND = Reading()


@dataclass(frozen=True, slots=True)
class Form:
    """How a table is written; what a format does not have is None or empty."""

    header: int = 1
    """The row or line, from 1, that names the columns."""
    titles: tuple[tuple[str, ...], ...] = ()
    """The rows above it."""
    columns: tuple[str, ...] = ()
    """The columns as the header has them, blank ones included."""
    encoding: Encoding | None = None
    delimiter: str | None = None
    declared: bool = False
    """Whether the first line says the delimiter, as Excel's `sep=;`."""
    line_end: str = "\r\n"
    quoted: bool = False
    """Whether all fields of the header are quoted."""
    decimal_comma: bool = False
    sheet: str | None = None
    sheets: tuple[str, ...] = ()
    """All sheets that can be seen."""

    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that was guessed or chosen, and could be otherwise."""
        found = []
        if self.encoding is not None and self.encoding.guessed:
            found.append(
                f"read as {self.encoding.title}, a guess: see whether its letters are right"
            )
        if len(self.sheets) > 1:
            others = ", ".join(f"'{name}'" for name in self.sheets if name != self.sheet)
            found.append(f"read from the sheet '{self.sheet}', not from {others}")
        if any(any(cell.strip() for cell in row) for row in self.titles):
            found.append(f"taken to name its columns in line {self.header}, below a title")
        return tuple(found)

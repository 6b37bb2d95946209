"""Label a file, first: which file, then which of its columns holds the texts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import DataTable, Static

from edgekit.data.records import READERS, Record
from edgekit.data.rows import stream_records
from edgekit_tui.i18n import N_, _
from edgekit_tui.messages import RowsRead
from edgekit_tui.screens.page import Page
from edgekit_tui.text import cell, one_line
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.picker import Picker

ROWS_SHOWN = 10
_WIDEST = 60


class FileScreen(Page):
    TITLE_TEXT = N_("Label a file")
    HELP_TEXT = N_(
        "Choose a table: CSV, TSV, JSONL or Parquet. Every row gets a label and a score; the file "
        "itself stays as it is. Type a part of a name to find it, or a whole path."
    )

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def body(self) -> Iterable[Widget]:
        yield Static(
            _("Choose a table with a column of texts: {formats}").format(formats=" ".join(READERS)),
            classes="lead",
            markup=False,
        )
        yield Picker(Path.cwd(), is_table)

    def fill(self) -> None:
        self.query_one(Picker).focus_path()

    @on(Picker.Picked)
    def picked(self, event: Picker.Picked) -> None:
        self.edgekit.open_screen("column", self.folder, event.path)


def is_table(path: Path) -> bool:
    return path.suffix.lower() in READERS and path.is_file()


class ColumnScreen(Page):
    TITLE_TEXT = N_("Label a file")
    HELP_TEXT = N_(
        "These are the first rows. Go to the column that holds the texts with the left and right "
        "arrow keys and press Enter."
    )

    def __init__(self, folder: Path, source: Path) -> None:
        super().__init__()
        self.folder, self.source = folder, source
        self._columns: list[str] = []

    def body(self) -> Iterable[Widget]:
        yield Static(_("Which column holds the texts?"), classes="lead", markup=False)
        yield Notice(id="notice")
        yield _Columns(cursor_type="column", id="rows", zebra_stripes=False, show_row_labels=False)

    def fill(self) -> None:
        self.top.say(self.source.name)
        self.read()

    @work(thread=True, exclusive=True, group="read")
    def read(self) -> None:
        with self.reporting():
            self.post_message(RowsRead(list(islice(stream_records(self.source), ROWS_SHOWN))))

    @on(RowsRead)
    def take(self, message: RowsRead) -> None:
        self._columns = list(dict.fromkeys(name for row in message.rows for name in row))
        table = self.query_one("#rows", DataTable)
        table.clear(columns=True)
        for name in self._columns:
            table.add_column(cell(one_line(name, most=_WIDEST)))
        for row in message.rows:
            table.add_row(
                *(cell(one_line(_shown(row.get(name)), most=_WIDEST)) for name in self._columns)
            )
        table.move_cursor(column=self._columns.index(likely_column(message.rows, self._columns)))
        table.focus()

    def fail(self, sentence: str) -> None:
        self.query_one("#rows").display = False
        super().fail(sentence)

    @on(DataTable.ColumnSelected)
    def chosen(self, event: DataTable.ColumnSelected) -> None:
        column = self._columns[event.cursor_column]
        self.edgekit.open_screen("labelling", self.folder, self.source, column)


class _Columns(DataTable[object]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", N_("Label this column"), id="column.choose"),
        Binding("left", "cursor_left", N_("Left"), id="column.left"),
        Binding("right", "cursor_right", N_("Right"), id="column.right"),
    ]


def likely_column(rows: list[Record], columns: list[str]) -> str:
    """`text` if there is one, else the column with the longest strings."""
    if "text" in columns:
        return "text"
    lengths = {
        name: sum(len(row[name]) for row in rows if isinstance(row.get(name), str))
        for name in columns
    }
    return max(columns, key=lambda name: lengths[name])


def _shown(value: object) -> str:
    return "" if value is None else str(value)

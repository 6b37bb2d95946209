"""Label a file, first: which file, then which of its columns holds the texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import DataTable, Static

from edgekit.data.encodings import PAGES
from edgekit.data.reading import AS_FOUND, Form, Reading
from edgekit.data.records import TABLES, Record, form_of
from edgekit.data.rows import stream_records
from edgekit.errors import DataError
from edgekit_tui.i18n import N_, _, number
from edgekit_tui.messages import RowsRead
from edgekit_tui.screens.page import Page
from edgekit_tui.text import cell, content, one_line
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.picker import Picker

ROWS_SHOWN = 10
_WIDEST = 60


class FileScreen(Page):
    TITLE_TEXT = N_("Label a file")
    HELP_TEXT = N_(
        "Choose a table: Excel, LibreOffice, CSV, JSONL or Parquet. Every row gets a label "
        "and a score; the file itself stays as it is. Type a part of a name to find it, or a whole "
        "path."
    )

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def body(self) -> Iterable[Widget]:
        yield Static(
            _("Choose a table with a column of texts: {formats}").format(formats=" ".join(TABLES)),
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
    return path.suffix.lower() in TABLES and path.is_file()


class ColumnScreen(Page):
    TITLE_TEXT = N_("Label a file")
    HELP_TEXT = N_(
        "These are the first rows. Go to the column that holds the texts with the left and right "
        "arrow keys and press Enter. Where letters are wrong, choose another encoding; where the "
        "names of the columns stand further down, or on another sheet, choose these."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "other_encoding", N_("Encoding"), id="column.encoding"),
        Binding("h", "lower_header", N_("Header line"), id="column.header"),
        Binding("t", "other_sheet", N_("Sheet"), id="column.sheet"),
    ]

    def __init__(self, folder: Path, source: Path) -> None:
        super().__init__()
        self.folder, self.source = folder, source
        self._columns: list[str] = []
        self._reading, self._form = AS_FOUND, Form()

    def body(self) -> Iterable[Widget]:
        yield Static(_("Which column holds the texts?"), classes="lead", markup=False)
        form = Static("", id="form", classes="muted", markup=False)
        form.display = False
        yield form
        yield Notice(id="notice")
        yield _Columns(cursor_type="column", id="rows", zebra_stripes=False, show_row_labels=False)

    def fill(self) -> None:
        self.top.say(self.source.name)
        self.read([self._reading])

    @work(thread=True, exclusive=True, group="read")
    def read(self, readings: Sequence[Reading]) -> None:
        """The first rows in the first of these ways in which the file can be read."""
        with self.reporting():
            for reading in readings:
                try:
                    form = form_of(self.source, reading)
                    rows = list(islice(stream_records(self.source, reading=reading), ROWS_SHOWN))
                except DataError:
                    if reading is readings[-1]:
                        raise
                    continue
                self.post_message(RowsRead(rows, reading, form))
                return

    @on(RowsRead)
    def take(self, message: RowsRead) -> None:
        self._reading, self._form = message.reading, message.form
        facts = _facts(message.form, message.reading)
        self.query_one("#form", Static).update(content(" · ".join(facts)))
        self.query_one("#form").display = bool(facts)
        self.query_one("#notice", Notice).clear_text()
        self.refresh_bindings()
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
        if not self._columns:
            self.query_one("#rows").display = False
        super().fail(sentence)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "other_encoding":
            return self._form.encoding is not None
        if action == "other_sheet":
            return len(self._form.sheets) > 1
        return bool(self._form.columns) if action == "lower_header" else True

    def action_other_encoding(self) -> None:
        """The next in which the file can be read, as it was found after the last."""
        codecs = [None, *PAGES]
        at = codecs.index(self._reading.encoding)
        turned = (*codecs[at + 1 :], *codecs[: at + 1])
        self.read([replace(self._reading, encoding=codec) for codec in turned])

    def action_other_sheet(self) -> None:
        at = self._form.sheets.index(self._form.sheet or self._form.sheets[0])
        turned = (*self._form.sheets[at + 1 :], *self._form.sheets[: at + 1])
        self.read([replace(self._reading, sheet=sheet, header=None) for sheet in turned])

    def action_lower_header(self) -> None:
        """The next line names the columns; as it was found after the last that can be seen."""
        header: int | None = self._form.header + 1
        if header is not None and header > ROWS_SHOWN:
            header = None
        lower = replace(self._reading, header=header)
        self.read([lower, replace(self._reading, header=None)])

    @on(DataTable.ColumnSelected)
    def chosen(self, event: DataTable.ColumnSelected) -> None:
        column = self._columns[event.cursor_column]
        self.edgekit.open_screen("labelling", self.folder, self.source, column, self._reading)


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


def _facts(form: Form, reading: Reading) -> list[str]:
    """How the file was read, as far as it could be read otherwise."""
    facts = []
    if form.encoding is not None:
        name = form.encoding.title.partition(",")[0]
        guessed = _("letters read as {encoding}, a guess").format(encoding=name)
        if form.encoding.guessed or reading.encoding:
            facts.append(guessed if form.encoding.guessed else name)
    if len(form.sheets) > 1:
        facts.append(_("sheet {name}").format(name=one_line(form.sheet or "", most=_WIDEST)))
    if form.titles or reading.header:
        facts.append(_("columns named in line {line}").format(line=number(form.header)))
    return facts


def _shown(value: object) -> str:
    return "" if value is None else str(value)

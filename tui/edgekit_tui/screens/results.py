"""The results for a file: labels as a chart that filters, rows as a table that sorts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, Input, OptionList, Static
from textual.widgets.option_list import Option

from edgekit.artifact import folder as artifacts
from edgekit.data.records import TABLES
from edgekit.errors import ArtifactError
from edgekit.tasks.classification.judged_in import unjudged
from edgekit_tui import results
from edgekit_tui.corrections import Corrections
from edgekit_tui.i18n import N_, _, language_name, ngettext, number, percent
from edgekit_tui.labelling import LabelJob
from edgekit_tui.messages import Exported, LanguagesSeen, PageRead
from edgekit_tui.results import ORDERS, Query, Result, Results
from edgekit_tui.screens.saving import SavingPage
from edgekit_tui.text import cell, content, one_line
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.scores import bar_line

ROWS_A_PAGE = 300
_CHART_WIDTH, _BAR_WIDTH = 30, 7
_LABEL_WIDTH = 18
MARK = "✓"
"""Beside a label that a person set."""
UNSURE, UNFAMILIAR = "?", "≠"
"""Beside a label that the model is not sure of, and that of a text like none it was taught."""
LANGUAGES_LOOKED_AT = 200
"""Texts of a file whose language is looked at."""


class ResultsScreen(SavingPage):
    TITLE_TEXT = N_("Results")
    HELP_TEXT = N_(
        "The labels on the left show how often each was given; choose one to see its rows only. "
        "Review shows the rows whose correction teaches a model most. Export writes all rows to a "
        "file of yours, with your corrections."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "review", N_("Review"), id="results.review"),
        Binding("e", "export", N_("Export"), id="results.export"),
        Binding("c", "corrections", N_("Save corrections"), id="results.corrections"),
        Binding("s", "sort", N_("Sort"), id="results.sort"),
        Binding("slash", "find", N_("Find"), id="results.find"),
        Binding("n", "turn(1)", N_("Next page"), id="results.next"),
        Binding("p", "turn(-1)", N_("Page before"), id="results.before"),
    ]

    def __init__(self, job: LabelJob) -> None:
        super().__init__()
        self.job = job
        self.results = Results(job.index)
        self.labelled = Query()
        self._offset = self._label_width = 0
        self._count = self._corrected = 0
        self._labels: list[str | None] = []
        self._rows: list[Result] = []
        self._languages = False

    def body(self) -> Iterable[Widget]:
        with Horizontal(id="columns"):
            yield OptionList(id="labels", markup=False)
            with Vertical():
                yield Input(id="find", placeholder=_("Find in the texts"))
                yield DataTable(id="rows", cursor_type="row", show_row_labels=False)
        yield Static("", id="whole", markup=False)
        yield Notice(id="notice")
        yield Static("", id="status", markup=False)

    def fill(self) -> None:
        self.top.say(self.job.source.name)
        self._labels = []
        self.query_one("#find").display = bool(self.labelled.contains)
        self.query_one("#rows").focus()

    async def on_screen_resume(self) -> None:
        await super().on_screen_resume()
        self.read(self.labelled, self._offset, anew=True)
        if not self._languages:
            self._languages = True
            self.look_at_languages()

    @work(thread=True, exclusive=True, group="languages")
    def look_at_languages(self) -> None:
        """Of some of the texts; nothing is said where the artifact is not there any more."""
        with self.reporting(), suppress(ArtifactError):
            manifest = artifacts.read(self.job.artifact).manifest
            found = [
                unjudged(manifest, text) for text in self.results.some_texts(LANGUAGES_LOOKED_AT)
            ]
            unknown = Counter(code for code in found if code is not None)
            self.post_message(LanguagesSeen(len(found), dict(unknown.most_common(3))))

    @on(LanguagesSeen)
    def take_languages(self, message: LanguagesSeen) -> None:
        if not message.unjudged:
            return
        named = ", ".join(
            f"{language_name(code)} ({number(rows)})" for code, rows in message.unjudged.items()
        )
        text = _(
            "Of {texts} texts that were looked at, some are in languages that the model was not "
            "judged in: {languages}."
        )
        texts = number(message.texts)
        self.notice(text.format(texts=texts, languages=named), kind="warning")

    @work(thread=True, exclusive=True, group="read")
    def read(self, query: Query, offset: int, *, anew: bool = False) -> None:
        """One page of rows; `anew` where rows may have been corrected since."""
        with self.reporting():
            corrections = Corrections(self.job.name).all()
            if anew:
                results.renew_index(self.job.out, self.job.index, column=self.job.column)
                self.results.correct(corrections)
            rows = self.results.page(query, offset=offset, most=ROWS_A_PAGE)
            count = self.results.count(query)
            by_label = self.results.by_label(query.contains)
            self.post_message(PageRead(query, rows, count, by_label, len(corrections)))

    @on(PageRead)
    def take(self, message: PageRead) -> None:
        if message.query != self.labelled:
            return  # asked for before another filter was chosen
        table = self.query_one("#rows", DataTable)
        same = [row.number for row in message.rows] == [row.number for row in self._rows]
        at = table.cursor_row if same else 0
        self._count, self._rows = message.count, message.rows
        self._corrected = message.corrected
        self._show_chart(message.by_label)
        table.clear(columns=True)
        table.add_column(_("score"), width=6)
        labels = [cell(_label(row)) for row in message.rows]
        texts = [cell(row.text) for row in message.rows]
        # As wide as ever, whatever a search leaves. Widths that the table finds out by itself come
        # a moment later, and until then it shows four letters of a text.
        self._label_width = _widest(self._label_width, cell(_("label")), *labels)
        table.add_column(_("label"), width=self._label_width)
        # Last, because letter widths differ between terminals: nothing comes after it.
        table.add_column(_("text"), width=_widest(0, cell(_("text")), *texts))
        for row, label, text in zip(message.rows, labels, texts, strict=True):
            score = percent(row.score) if row.label else "–"
            table.add_row(Text(f"{score:>5}", "bold" if row.abstained else ""), label, text)
        if at:
            table.move_cursor(row=at)
        self._say_where(len(message.rows))
        self.refresh_bindings()

    def _show_chart(self, by_label: dict[str, int]) -> None:
        options = self.query_one("#labels", OptionList)
        chosen = self.labelled.label
        if chosen is not None:
            # The filter stays where it was put, also where a search leaves none of its rows.
            by_label = {chosen: 0, **by_label} if chosen not in by_label else by_label
        total, most = sum(by_label.values()), max(1, *by_label.values())
        self._labels = [None, *by_label]
        options.clear_options()
        options.add_option(Option(_chart_line(_("all labels"), total, 1.0)))
        options.add_options(
            Option(_chart_line(label or _("no text"), rows, rows / most))
            for label, rows in by_label.items()
        )
        options.highlighted = self._labels.index(chosen)

    def _say_where(self, rows: int) -> None:
        counted = ngettext("{count} row", "{count} rows", self._count)
        facts = [counted.format(count=number(self._count)), _(ORDERS[self.labelled.order])]
        if self._count > ROWS_A_PAGE:
            first, last = number(self._offset + 1), number(self._offset + rows)
            facts.append(_("shown: {first} to {last}").format(first=first, last=last))
        said = {MARK: _("corrected"), UNSURE: _("not sure"), UNFAMILIAR: _("like nothing taught")}
        marks = set("".join(map(_marks, self._rows)))
        facts += [f"{mark} {meaning}" for mark, meaning in said.items() if mark in marks]
        self.query_one("#status", Static).update(" · ".join(facts))

    def _ask(self, query: Query, offset: int = 0) -> None:
        self.labelled, self._offset = query, offset
        self.read(query, offset)

    @on(OptionList.OptionHighlighted, "#labels")
    def filter_label(self, event: OptionList.OptionHighlighted) -> None:
        label = self._labels[event.option_index]
        if label != self.labelled.label:
            self._ask(Query(label, self.labelled.contains, self.labelled.order))

    @on(OptionList.OptionSelected, "#labels")
    def to_rows(self) -> None:
        self.query_one("#rows").focus()

    @on(Input.Changed, "#find")
    def filter_text(self, event: Input.Changed) -> None:
        if event.value != self.labelled.contains:
            self._ask(Query(self.labelled.label, event.value, self.labelled.order))

    @on(Input.Submitted, "#find")
    def found(self) -> None:
        self.query_one("#rows").focus()

    @on(DataTable.RowHighlighted, "#rows")
    def show_whole(self, event: DataTable.RowHighlighted) -> None:
        """The table shows the beginning of a text; here is more of it."""
        if event.cursor_row < len(self._rows):
            self.query_one("#whole", Static).update(content(self._rows[event.cursor_row].text))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "corrections":
            return self._corrected > 0
        if action != "turn":
            return True
        if parameters[0] == 1:
            return self._offset + ROWS_A_PAGE < self._count
        return self._offset > 0

    def action_turn(self, by: int) -> None:
        self._ask(self.labelled, self._offset + by * ROWS_A_PAGE)

    def action_sort(self) -> None:
        orders = list(ORDERS)
        order = orders[(orders.index(self.labelled.order) + 1) % len(orders)]
        self._ask(Query(self.labelled.label, self.labelled.contains, order))

    def action_find(self) -> None:
        self.query_one("#find").display = True
        self.query_one("#find").focus()

    def action_back(self) -> None:
        """Undoes one thing: the search, then the filter, then the way here."""
        field = self.query_one("#find", Input)
        if field.display:
            with self.prevent(Input.Changed):
                field.value = ""
            field.display = False
            self.query_one("#rows").focus()
            if self.labelled.contains:
                self._ask(Query(self.labelled.label, "", self.labelled.order))
        elif self.labelled.label is not None:
            self._ask(Query(None, "", self.labelled.order))
        else:
            super().action_back()

    def action_review(self) -> None:
        self.edgekit.open_screen("review", self.job, self.labelled)

    def action_export(self) -> None:
        source = self.job.source
        suggested = source.with_name(f"{source.stem}-labelled{source.suffix}")
        lead = N_("Write all rows with their labels to:")
        choices: list[tuple[str, Callable[[Path], None]]] = [(lead, self.take_path)]
        if self.filtered:
            few = ngettext(
                "Write this {count} row only, with its label, to:",
                "Write these {count} rows only, with their labels, to:",
                self._count,
            ).format(count=number(self._count))
            query = self.labelled
            choices.insert(0, (few, partial(self.take_path, query=query)))
        self.edgekit.open_screen("export", suggested, TABLES, choices)

    def action_corrections(self) -> None:
        self.save_corrections(self.job.name, self.job.source.parent)

    @property
    def filtered(self) -> bool:
        return self.labelled.label is not None or bool(self.labelled.contains)

    def take_path(self, path: Path, query: Query | None = None) -> None:
        """`query` chooses the rows; all are written without it."""
        self.notice(_("Writing {path}…").format(path=path), kind="hint")
        self.write(path, query)

    @work(thread=True, group="export")
    def write(self, path: Path, query: Query | None) -> None:
        with self.reporting(path):
            written = results.export(
                self.job.out,
                path,
                column=self.job.column,
                corrected=Corrections(self.job.name).all(),
                source=self.job.source,
                reading=self.job.reading,
                rows=None if query is None else self.results.numbers(query),
            )
            self.post_message(Exported(path, written.rows, written.notes))

    @on(Exported)
    def take_export(self, message: Exported) -> None:
        text = ngettext(
            "{count} row was written to {path}", "{count} rows were written to {path}", message.rows
        ).format(count=number(message.rows), path=message.path)
        kind = "warning" if message.notes else "hint"
        self.notice(". ".join((text, *message.notes)), kind=kind)


def _widest(least: int, *cells: Text) -> int:
    return max(least, *(one.cell_len for one in cells))


def _label(row: Result) -> str:
    if marks := _marks(row):
        return f"{one_line(row.label, most=_LABEL_WIDTH - len(marks) - 1)} {marks}"
    return one_line(row.label, most=_LABEL_WIDTH) or "–"


def _marks(row: Result) -> str:
    """What a person set is in doubt no longer; of a row without text there is nothing to doubt."""
    if row.corrected:
        return MARK
    doubts = {UNSURE: row.abstained, UNFAMILIAR: not row.familiar}
    return "".join(mark for mark, doubted in doubts.items() if doubted) if row.label else ""


def _chart_line(label: str, rows: int, share: float) -> Content:
    count = number(rows)
    names = _CHART_WIDTH - _BAR_WIDTH - max(6, len(count)) - 2
    name = content(one_line(label, most=names))
    gap = max(0, names - name.cell_length)
    counted = count.rjust(_CHART_WIDTH - _BAR_WIDTH - names - 2)
    bar = bar_line(share, _BAR_WIDTH, "$secondary")
    return Content.assemble(name, " " * gap, " ", bar, " ", (counted, "$muted"))

"""Review: the rows a model is least sure of, one at a time; one key sets the right label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgekit.errors import EdgekitError, UnsupportedTask
from edgekit_tui.corrections import Corrections
from edgekit_tui.i18n import N_, _, in_words, number, percent
from edgekit_tui.labelling import LabelJob
from edgekit_tui.messages import Answered, ToReview
from edgekit_tui.results import Query, Result, Results
from edgekit_tui.screens.saving import SavingPage
from edgekit_tui.text import content, one_line, path_text
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.scores import bar_line

MOST_ROWS = 500
# Lines of the page that are neither the row's text nor its labels.
_OTHER_LINES, _FEWEST_LINES = 8, 6
KEYS = "123456789"


class ReviewScreen(SavingPage):
    TITLE_TEXT = N_("Review")
    HELP_TEXT = N_(
        "Press the number of the right label, also where the model was right: both teach. The "
        "labels you set are kept in a table that a recipe can train on (data: train)."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "set(0)", N_("to 9: set the label"), id="review.set"),
        *(Binding(key, f"set({place})", show=False) for place, key in enumerate(KEYS) if place),
        Binding("slash", "others", N_("Other label"), id="review.others"),
        Binding("s", "skip", N_("Skip"), id="review.skip"),
        Binding("u", "undo", N_("Undo"), id="review.undo"),
        Binding("pagedown", "read_on(1)", show=False, priority=True),
        Binding("pageup", "read_on(-1)", show=False, priority=True),
        Binding("c", "corrections", N_("Save corrections"), id="review.corrections"),
    ]

    def __init__(self, job: LabelJob, query: Query) -> None:
        """`query` chooses the rows that are gone through."""
        super().__init__()
        self.job, self.labelled = job, query
        self.rows: list[Result] = []
        self.place = 0
        self._choices: list[str] = []
        self._labels: tuple[str, ...] = ()
        self._corrections: Corrections | None = None
        self._set: list[int] = []
        """Indices of the rows already set, the latest last."""

    def body(self) -> Iterable[Widget]:
        yield Notice(id="notice")
        with VerticalScroll(id="row", can_focus=False):
            yield Static("", id="text", markup=False)
        yield Static("", id="choices", markup=False)
        yield Input(id="find", placeholder=_("Type a part of the label"))
        yield OptionList(id="others", markup=False)
        yield Static("", id="status", markup=False)

    def fill(self) -> None:
        self._hide_others()
        if self.rows:
            self._show()
        else:
            self.read()

    @work(thread=True, exclusive=True, group="read")
    def read(self) -> None:
        with self.reporting():
            manifest = self.edgekit.models.get(self.job.artifact).manifest
            if manifest.model.thresholds is not None:
                raise UnsupportedTask(
                    f"'{manifest.name}' may give a text several labels, and corrections here are "
                    "of one label each; correct the column 'label' of the labelled file."
                )
            if manifest.model.pairs:
                raise UnsupportedTask(
                    f"'{manifest.name}' takes pairs of texts, and corrections here are of single "
                    "texts; correct the column 'label' of the labelled file."
                )
            corrections = Corrections(manifest.name)
            results = Results(self.job.index)
            results.correct(corrections.all())
            rows = results.to_review(MOST_ROWS, self.labelled)
            self.post_message(ToReview(rows, manifest.labels, corrections))

    @on(ToReview)
    def take_rows(self, message: ToReview) -> None:
        self.rows, self._labels = message.rows, message.labels
        self._corrections = message.corrections
        self._show()

    def _show(self) -> None:
        self._choices = []
        self.query_one("#choices", Static).update("")
        self.top.say(
            _("{place} of {count}").format(
                place=number(min(self.place + 1, len(self.rows))), count=number(len(self.rows))
            )
        )
        if self.place < len(self.rows):
            row = self.rows[self.place]
            self.query_one("#text", Static).update(content(row.text))
            self.query_one("#row", VerticalScroll).scroll_home(animate=False)
            self.weigh(row)
        else:
            done = _("Nothing is left to review here.")
            further = _(
                "Esc leads back to the results, where e writes all rows with these labels. c saves "
                "what you corrected as rows to train on."
            )
            self.query_one("#text", Static).update(
                Content.assemble((done, "bold"), "\n\n", further)
            )
        self._say_kept()
        self.refresh_bindings()

    def _say_kept(self) -> None:
        if self._corrections is None:
            return
        text = _("{count} set · kept in {path}")
        text = text.format(count=number(len(self._set)), path=path_text(self._corrections.path))
        self.query_one("#status", Static).update(content(text))

    @work(thread=True, exclusive=True, group="answer")
    def weigh(self, row: Result) -> None:
        """The scores of all labels: the labelled file has only the best one's."""
        with self.reporting():
            answer = self.edgekit.models.answer(self.job.artifact, row.text)
            self.post_message(Answered(row.text, answer, None))

    @on(Answered)
    def take_answer(self, message: Answered) -> None:
        if self.place >= len(self.rows) or message.text != self.rows[self.place].text:
            return
        ranked = sorted(message.answer.scores.items(), key=lambda pair: -pair[1])
        self._choices = [label for label, _score in ranked[: len(KEYS)]]
        width = max(20, self.query_one("#choices").content_size.width)
        self.query_one("#choices", Static).update(
            Content("\n").join(
                _choice(KEYS[place], label, score, width)
                for place, (label, score) in enumerate(ranked[: len(KEYS)])
            )
        )
        self._give_room()
        self.refresh_bindings()

    def on_resize(self) -> None:
        self._give_room()

    def _give_room(self) -> None:
        """The text gets all the lines that its labels leave, so that a long one is read."""
        lines = self.size.height - _OTHER_LINES - len(self._choices)
        self.query_one("#row").styles.max_height = max(_FEWEST_LINES, lines)

    def action_read_on(self, way: int) -> None:
        if self.query_one("#others").display:
            others = self.query_one("#others", OptionList)
            others.action_page_down() if way > 0 else others.action_page_up()
            return
        row = self.query_one("#row", VerticalScroll)
        row.scroll_relative(y=way * max(1, row.size.height - 1), animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "set":
            return isinstance(parameters[0], int) and parameters[0] < len(self._choices)
        if action == "corrections":
            return self.place >= len(self.rows) and bool(self._set)
        if action in ("skip", "others"):
            return self.place < len(self.rows)
        return bool(self._set) if action == "undo" else True

    def action_set(self, place: int) -> None:
        self._keep(self._choices[place])

    def _keep(self, label: str) -> None:
        if self._corrections is None:
            return
        try:
            self._corrections.set(self.rows[self.place].text, label)
        except (EdgekitError, OSError) as error:
            # Stays on this row: the user must know that this label was not kept.
            self.notice(in_words(error))
            return
        self.query_one("#notice", Notice).clear_text()
        self._set.append(self.place)
        self.place += 1
        self._show()

    def action_corrections(self) -> None:
        self.save_corrections(self.job.name, self.job.source.parent)

    def action_skip(self) -> None:
        self.place += 1
        self._show()

    def action_undo(self) -> None:
        if self._corrections is not None:
            self.place = self._set.pop()
            self._corrections.remove(self.rows[self.place].text)
            self._show()

    def action_others(self) -> None:
        for name in ("#find", "#others"):
            self.query_one(name).display = True
        self.query_one("#choices").display = False
        self.query_one("#find", Input).value = ""
        self._list_others("")
        self.query_one("#find").focus()

    def _hide_others(self) -> None:
        for name in ("#find", "#others"):
            self.query_one(name).display = False
        self.query_one("#choices").display = True
        self.set_focus(None)

    def _list_others(self, contains: str) -> None:
        options = self.query_one("#others", OptionList)
        options.clear_options()
        self._found = [label for label in self._labels if contains.lower() in label.lower()]
        options.add_options(Option(content(one_line(label))) for label in self._found)
        if self._found:
            options.highlighted = 0

    @on(Input.Changed, "#find")
    def narrow(self, event: Input.Changed) -> None:
        self._list_others(event.value)

    @on(Input.Submitted, "#find")
    def first(self) -> None:
        if self._found:
            self._take_other(self._found[0])

    @on(OptionList.OptionSelected, "#others")
    def other(self, event: OptionList.OptionSelected) -> None:
        self._take_other(self._found[event.option_index])

    def _take_other(self, label: str) -> None:
        self._hide_others()
        self._keep(label)

    def action_back(self) -> None:
        if self.query_one("#others").display:
            self._hide_others()
        else:
            super().action_back()


def _choice(key: str, label: str, score: float, width: int) -> Content:
    names = max(10, width - 34)
    name = content(one_line(label, most=names))
    name = name.pad_right(max(0, names - name.cell_length))
    bars = max(4, min(20, width - names - 12))
    return Content.assemble(
        (f" {key} ", "$key bold"), " ", name, " ", bar_line(score, bars, "$secondary"),
        f"{percent(score):>6}",
    )  # fmt: skip

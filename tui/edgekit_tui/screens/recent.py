"""Recent: files that were labelled or begun; opened where they were left, or removed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgekit_tui import recent
from edgekit_tui.i18n import N_, _, percent
from edgekit_tui.labelling import LabelJob
from edgekit_tui.messages import RecentFound
from edgekit_tui.recent import Recent
from edgekit_tui.screens.page import Page
from edgekit_tui.text import one_line, path_text
from edgekit_tui.widgets.notice import Notice


class RecentScreen(Page):
    TITLE_TEXT = N_("Recent")
    HELP_TEXT = N_(
        "Files that were labelled here. Their results open as they were left, and what was begun "
        "goes on where it stopped. Removing them leaves the file itself as it is."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("delete", "remove", N_("Remove"), id="recent.remove")
    ]

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Recent] = []

    def body(self) -> Iterable[Widget]:
        yield Notice(id="notice")
        yield _List(id="recent", markup=False)
        yield Static("", id="status", markup=False)

    def fill(self) -> None:
        self.query_one("#recent").focus()
        self._show()

    async def on_screen_resume(self) -> None:
        await super().on_screen_resume()
        self.look()

    @work(thread=True, exclusive=True, group="look")
    def look(self) -> None:
        with self.reporting():
            self.post_message(RecentFound(recent.every()))

    @on(RecentFound)
    def take(self, message: RecentFound) -> None:
        self.found = message.found
        self._show()

    def _show(self) -> None:
        options = self.query_one("#recent", OptionList)
        chosen = options.highlighted or 0
        options.clear_options()
        options.add_options(Option(_describe(one)) for one in self.found)
        if self.found:
            options.highlighted = min(chosen, len(self.found) - 1)
        self.query_one("#status", Static).update("" if self.found else _("Nothing is kept here."))
        self.refresh_bindings()

    @property
    def chosen(self) -> Recent | None:
        place = self.query_one("#recent", OptionList).highlighted
        return self.found[place] if place is not None and place < len(self.found) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self.found) if action == "remove" else True

    @on(OptionList.OptionSelected)
    def use(self) -> None:
        if self.chosen is None:
            return
        job = self.chosen.job
        if self.chosen.whole:
            self.edgekit.open_screen("results", job)
        else:
            self.edgekit.open_screen("labelling", job.artifact, job.source, job.column, job.reading)

    def action_remove(self) -> None:
        if self.chosen is not None:
            job = self.chosen.job
            question = _("Remove the labels of {name}? The file itself stays as it is.")
            question = question.format(name=one_line(job.source.name))
            self.edgekit.ask(question, _("Yes, remove them"), lambda: self.drop(job))

    @work(thread=True, group="drop")
    def drop(self, job: LabelJob) -> None:
        with self.reporting():
            recent.remove(job)
            self.app.call_from_thread(self.look)


class _List(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", N_("Open"), id="recent.open")
    ]


def said(one: Recent) -> str:
    """In a few words, as Home says it."""
    name = one_line(one.job.source.name, most=40)
    if one.whole:
        return name
    return _("{name}, {share} labelled").format(name=name, share=percent(one.share))


def _describe(one: Recent) -> Content:
    """Two lines: the file and how far it is; where it is, and with which artifact."""
    where = f"{path_text(one.job.source.parent)} · {one_line(one.job.name)} · {one.job.column}"
    return Content.assemble((said(one), "bold"), "\n  ", (one_line(where), "$muted"), "\n")

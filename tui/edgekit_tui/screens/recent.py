"""Recent: what was worked on last; opened where it was left, or removed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgekit_tui import last_summary, places, recent
from edgekit_tui.found import Found, best
from edgekit_tui.history import Chat
from edgekit_tui.i18n import N_, _, day, ngettext, number, percent
from edgekit_tui.last_summary import About
from edgekit_tui.messages import RecentFound
from edgekit_tui.recent import Anything, Recent
from edgekit_tui.screens import TALKING
from edgekit_tui.screens.page import Page
from edgekit_tui.summarizing import Made, SummaryJob
from edgekit_tui.text import one_line, path_text
from edgekit_tui.widgets.notice import Notice

_FEW_LETTERS = 40


class RecentScreen(Page):
    TITLE_TEXT = N_("Recent")
    HELP_TEXT = N_(
        "What you worked on last. Results, a summary and a chat open as they were left, and what "
        "was begun goes on where it stopped. Removing what is kept leaves your files as they are."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("delete", "remove", N_("Remove"), id="recent.remove")
    ]

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Anything] = []

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
            self.post_message(RecentFound(recent.latest(self.edgekit.history)))

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
    def chosen(self) -> Anything | None:
        place = self.query_one("#recent", OptionList).highlighted
        return self.found[place] if place is not None and place < len(self.found) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self.found) if action == "remove" else True

    @on(OptionList.OptionSelected)
    def use(self) -> None:
        if isinstance(self.chosen, Recent):
            job = self.chosen.job
            if self.chosen.whole:
                self.edgekit.open_screen("results", job)
            else:
                self.edgekit.open_screen(
                    "labelling", job.artifact, job.source, job.column, job.reading
                )
        elif isinstance(self.chosen, About):
            self.read_summary()
        elif self.chosen is not None:
            self.find_answerer(self.chosen)

    @work(thread=True, exclusive=True, group="open")
    def read_summary(self) -> None:
        with self.reporting(places.summaries()):
            if (kept := last_summary.read()) is not None:
                self.app.call_from_thread(self._open_summary, *kept)

    def _open_summary(self, job: SummaryJob, made: Made | None) -> None:
        # Below it is the text, so that it can be summarized differently.
        self.edgekit.open_screen("summarize", job.artifact, job)
        if made is not None:
            self.edgekit.open_screen("summary", job, made)

    @work(thread=True, exclusive=True, group="open")
    def find_answerer(self, chat: Chat) -> None:
        with self.reporting():
            found = self.edgekit.find()
            named = [one for one in found if one.name == chat.model]
            answerer = best(named, TALKING) or best(found, TALKING)
            self.app.call_from_thread(self._open_chat, chat, answerer)

    def _open_chat(self, chat: Chat, answerer: Found | None) -> None:
        if answerer is None:
            lacking = _("No model that chats is here. Press Esc, then i to import one.")
            self.notice(lacking, kind="hint")
        else:
            self.edgekit.open_screen(TALKING[0], answerer.folder, chat)

    def action_remove(self) -> None:
        one = self.chosen
        if isinstance(one, Recent):
            question = _("Remove the labels of {name}? The file itself stays as it is.")
            question = question.format(name=one_line(one.job.source.name))
            self.edgekit.ask(question, _("Yes, remove them"), partial(self.drop, one))
        elif isinstance(one, About):
            question = _("Remove this text and its summary from here?")
            self.edgekit.ask(question, _("Yes, remove them"), partial(self.drop, one))
        elif one is not None:
            question = _("Delete the chat “{title}”? This cannot be undone.")
            question = question.format(title=one_line(one.title))
            self.edgekit.ask(question, _("Yes, delete it"), partial(self.drop, one))

    @work(thread=True, group="drop")
    def drop(self, one: Anything) -> None:
        with self.reporting():
            if isinstance(one, Recent):
                recent.remove(one.job)
            elif isinstance(one, About):
                last_summary.remove()
            else:
                self.edgekit.history.delete(one.id)
            self.app.call_from_thread(self.look)


class _List(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", N_("Open"), id="recent.open")
    ]


def said(one: Anything) -> str:
    """In a few words, as Home says it."""
    if isinstance(one, Chat):
        return _("Chat: {title}").format(title=one_line(one.title, most=_FEW_LETTERS))
    if isinstance(one, About):
        name = one_line(one.name, most=_FEW_LETTERS) or _("A text of yours")
        return _("Summary: {name}").format(name=name) if one.summarized else name
    name = one_line(one.job.source.name, most=_FEW_LETTERS)
    if one.whole:
        return name
    return _("{name}, {share} labelled").format(name=name, share=percent(one.share))


def _describe(one: Anything) -> Content:
    """Two lines: what it is and how far; where it is, and with which artifact."""
    if isinstance(one, Chat):
        turns = ngettext("{count} turn", "{count} turns", one.turns)
        more = f"{day(one.changed)} · {turns.format(count=number(one.turns))} · {one.model}"
    elif isinstance(one, About):
        words = ngettext("{count} word", "{count} words", one.words)
        more = f"{day(one.at)} · {words.format(count=number(one.words))}"
    else:
        more = f"{path_text(one.job.source.parent)} · {one_line(one.job.name)} · {one.job.column}"
    return Content.assemble((said(one), "bold"), "\n  ", (one_line(more), "$muted"), "\n")

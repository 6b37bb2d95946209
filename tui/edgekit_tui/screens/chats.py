"""Chats: searches, renames, copies, exports and deletes those that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from edgekit_tui import transcript
from edgekit_tui.history import MOST_FOUND, Chat
from edgekit_tui.i18n import N_, _, day, ngettext, number
from edgekit_tui.messages import ChatsFound, Exported
from edgekit_tui.screens.page import Page
from edgekit_tui.text import clean, one_line
from edgekit_tui.widgets.notice import Notice

_FILE_NAME_LETTERS = 40


class ChatsScreen(Page):
    TITLE_TEXT = N_("Chats")
    HELP_TEXT = N_(
        "All chats that are kept on this computer, the newest first. Search finds those in which "
        "every word that you type stands somewhere. A copy goes its own way; its original stays as "
        "it is."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", N_("Search"), id="chats.find"),
        Binding("r", "rename", N_("Rename"), id="chats.rename"),
        Binding("k", "fork", N_("Copy"), id="chats.fork"),
        Binding("x", "export", N_("Export"), id="chats.export"),
        Binding("delete", "delete", N_("Delete"), id="chats.delete"),
        Binding("d", "delete", N_("Delete"), show=False, id="chats.delete.d"),
    ]

    def __init__(self, take: Callable[[Chat], None]) -> None:
        """`take` continues with the chosen chat."""
        super().__init__()
        self._take = take
        self.chats: list[Chat] = []
        self._query = ""

    def body(self) -> Iterable[Widget]:
        yield Input(id="find", placeholder=_("Words to search for"))
        yield Input(id="title", placeholder=_("The new title"))
        yield ChatList(id="chats", markup=False)
        yield Notice(id="notice")
        yield Static("", id="status", markup=False)

    def fill(self) -> None:
        self._hide_fields()
        self.search(self._query)

    # The list.

    @work(thread=True, exclusive=True, group="search")
    def search(self, query: str) -> None:
        history = self.edgekit.history
        with self.reporting():
            found = history.search(query) if query.strip() else history.chats()
            self.post_message(ChatsFound(query, found))

    @on(ChatsFound)
    def take_chats(self, message: ChatsFound) -> None:
        if message.query != self._query:
            return  # the user kept typing
        self.chats = message.chats
        options = self.query_one("#chats", OptionList)
        place = options.highlighted or 0
        options.clear_options()
        options.add_options(Option(describe(chat)) for chat in self.chats)
        if self.chats:
            options.highlighted = min(place, len(self.chats) - 1)
        text = ngettext("{count} chat", "{count} chats", len(self.chats))
        facts = [text.format(count=number(len(self.chats)))]
        if len(self.chats) == MOST_FOUND:
            facts.append(_("older ones are found by a search"))
        if not self.edgekit.history.kept:
            facts.append(_("nothing is kept"))
        self.query_one("#status", Static).update(" · ".join(facts))
        self.refresh_bindings()

    @property
    def chosen(self) -> Chat | None:
        place = self.query_one("#chats", OptionList).highlighted
        return self.chats[place] if place is not None and place < len(self.chats) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self.chats) if action in ("rename", "fork", "export", "delete") else True

    @on(OptionList.OptionSelected)
    def go_on(self) -> None:
        if self.chosen is not None:
            self.app.pop_screen()
            self._take(self.chosen)

    # The two fields.

    def action_find(self) -> None:
        field = self.query_one("#find", Input)
        field.display = True
        # At once: the next key is a letter of the field, not a command.
        self.set_focus(field)

    @on(Input.Changed, "#find")
    def narrow(self, event: Input.Changed) -> None:
        self._query = event.value
        self.search(event.value)

    def action_rename(self) -> None:
        if self.chosen is not None:
            field = self.query_one("#title", Input)
            field.value = clean(self.chosen.title)
            field.display = True
            self.set_focus(field)

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "title" and self.chosen is not None and event.value.strip():
            chat, title = self.chosen.id, event.value.strip()
            self._hide_fields()
            self.change(lambda: self.edgekit.history.rename(chat, title))
        else:
            self.set_focus(self.query_one("#chats"))

    def action_back(self) -> None:
        if self.query_one("#title").display or self._query or self.query_one("#find").display:
            self._hide_fields()
            self._query = ""
            self.search("")
        else:
            super().action_back()

    def _hide_fields(self) -> None:
        with self.prevent(Input.Changed):
            for name in ("#find", "#title"):
                self.query_one(name, Input).display = False
                self.query_one(name, Input).value = self._query if name == "#find" else ""
        self.set_focus(self.query_one("#chats"))

    # Actions on one chat.

    @work(thread=True, group="change")
    def change(self, do: Callable[[], object]) -> None:
        """Runs it, and shows the new state."""
        with self.reporting():
            do()
            self.app.call_from_thread(self.search, self._query)

    def action_fork(self) -> None:
        chat = self.chosen
        if chat is not None:
            title = _("{title} (copy)").format(title=chat.title)
            self.change(lambda: self.edgekit.history.fork(chat.id, title))

    def action_delete(self) -> None:
        chat = self.chosen
        if chat is not None:
            question = _("Delete the chat “{title}”? This cannot be undone.")
            question = question.format(title=one_line(chat.title))
            delete = partial(self.edgekit.history.delete, chat.id)
            self.edgekit.ask(question, _("Yes, delete it"), lambda: self.change(delete))

    def action_export(self) -> None:
        chat = self.chosen
        if chat is not None:
            lead = N_("Write the chat as Markdown to:")
            suggested = Path.cwd() / f"{_file_name(chat.title)}{transcript.ENDING}"
            endings = (transcript.ENDING,)
            choices = [(lead, lambda path: self.write(chat, path))]
            self.edgekit.open_screen("export", suggested, endings, choices)

    @work(thread=True, group="change")
    def write(self, chat: Chat, path: Path) -> None:
        with self.reporting(path):
            self.post_message(Exported(path, transcript.export(self.edgekit.history, chat, path)))

    @on(Exported)
    def take_export(self, message: Exported) -> None:
        text = _("Written: {path}").format(path=message.path)
        self.notice(text, kind="hint")


class ChatList(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", N_("Go on"), id="chats.open")
    ]


def describe(chat: Chat) -> Content:
    """Two lines: the title; the match, or the number of turns, the model and the date."""
    turns = ngettext("{count} turn", "{count} turns", chat.turns)
    facts = [day(chat.changed), turns.format(count=number(chat.turns)), one_line(chat.model)]
    second = one_line(chat.found) if chat.found else " · ".join(facts)
    return Content.assemble((one_line(chat.title), "bold"), "\n  ", (second, "$muted"), "\n")


def _file_name(title: str) -> str:
    """Letters and digits of the title, in any script."""
    letters = "".join(letter if letter.isalnum() else " " for letter in clean(title))
    return "-".join(letters.split())[:_FILE_NAME_LETTERS].strip("-") or "chat"

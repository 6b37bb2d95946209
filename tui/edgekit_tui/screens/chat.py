"""Chat: what a person can do with a conversation and its answers, key by key."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.worker import get_current_worker

from edgekit.data import documents
from edgekit.system.cancel import Cancelled
from edgekit_tui.attaching import attach
from edgekit_tui.history import Chat, ChatSettings
from edgekit_tui.i18n import N_, _, number, percent
from edgekit_tui.messages import Attached, PagesRead
from edgekit_tui.screens.chat_settings import Answerers
from edgekit_tui.screens.conversing import ConversingPage
from edgekit_tui.text import clean, one_line
from edgekit_tui.widgets.composer import Composer

# Why an answer may have ended before its end; one that filled the memory has no room to go on.
_CUT = ("", "cancelled", "max_tokens")


class ChatScreen(ConversingPage):
    TITLE_TEXT = N_("Chat")
    HELP_TEXT = N_(
        "Write a message and press Enter; ctrl j begins a new line. Every message is kept on this "
        "computer before it is answered, and an answer while it grows. To ask differently, take a "
        "message back with ctrl r, change it and send it again; ctrl l asks for another "
        "answer. ctrl g continues an answer that was cut, ctrl b copies it. ctrl f puts a file's "
        "text into your message, as far as it fits."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", N_("Stop"), id="chat.stop"),
        Binding("escape", "back", N_("Back"), id="page.back"),
        Binding("ctrl+n", "new", N_("New"), id="chat.new"),
        Binding("ctrl+t", "chats", N_("Chats"), id="chat.chats"),
        Binding("ctrl+r", "edit", N_("Edit"), id="chat.edit"),
        Binding("ctrl+s", "settings", N_("Chat settings"), id="chat.settings"),
        Binding("ctrl+g", "go_on", N_("Continue"), id="chat.go_on"),
        Binding("ctrl+l", "retry", N_("Try again"), id="chat.retry"),
        Binding("ctrl+b", "copy", N_("Copy"), id="chat.copy"),
        Binding("ctrl+f", "attach", N_("Attach a file"), id="chat.attach"),
        Binding("pageup", "page(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False, priority=True),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return self.answering is not None
        if action in ("new", "chats", "settings", "attach"):
            return self.answering is None
        answered = self.last is not None and self.last.role == "assistant"
        if action == "copy":
            return answered
        if action == "go_on":
            cut = self.last is not None and self.last.ended in _CUT
            return self.answering is None and answered and cut
        if action in ("edit", "retry"):
            return self.answering is None and self.chat is not None
        return True

    def action_stop(self) -> None:
        if self.answering is not None:
            self.answering.stop()
            self._say(_("Stopping…"))

    async def action_new(self) -> None:
        await self._begin_anew(ChatSettings())

    def action_back(self) -> None:
        if self._editing is None:
            super().action_back()
            return
        self._editing = None
        self.query_one(Composer).text = self._draft
        self.notice("")

    def action_chats(self) -> None:
        self.edgekit.open_screen("chats", self.go_on_with)

    def go_on_with(self, chat: Chat) -> None:
        self._editing = None
        self.notice("")
        self.open_chat(chat.id)

    def action_settings(self) -> None:
        models = Answerers(str(self.folder), self.others, self.use_model)
        self.edgekit.open_screen("chat_settings", self.settings, self.take_settings, models)

    def use_model(self, folder: str) -> None:
        self._say(_("Opening the model…"))
        self.load(Path(folder))

    # The last answer.

    def action_copy(self) -> None:
        if self.last is not None:
            self.app.copy_to_clipboard(clean(self.last.text))
            copied = _("The answer is in the clipboard, as far as this terminal has one.")
            self.notice(copied, kind="hint")

    async def action_retry(self) -> None:
        """The old answer stays until the new one has a word."""
        again = self.last if self.last is not None and self.last.role == "assistant" else None
        await self.ask(again=again)

    async def action_go_on(self) -> None:
        await self.ask(again=self.last, goes_on=True)

    # A file in the message.

    def action_attach(self) -> None:
        self.edgekit.open_screen("document", self.take_path)

    def take_path(self, path: Path) -> None:
        self.notice("")
        self._say(_("Reading {name}…").format(name=one_line(path.name)))
        self.read_file(path)

    @work(thread=True, exclusive=True, group="attach")
    def read_file(self, path: Path) -> None:
        worker = get_current_worker()

        def told(read: int, pages: int) -> None:
            if worker.is_cancelled:
                raise Cancelled
            self.post_message(PagesRead(one_line(path.name), read, pages))

        with suppress(Cancelled), self.reporting():
            document = documents.read(path, on_page=told)
            turns = self.edgekit.history.turns(self.chat.id, most=None) if self.chat else []
            model = self.edgekit.models.get(self.folder)
            name = one_line(path.name)
            found = attach(document, name, model=model, turns=turns, settings=self.settings)
            if not worker.is_cancelled:
                self.post_message(Attached(found))

    @on(PagesRead)
    def count_pages(self, message: PagesRead) -> None:
        text = _("Reading {name}: page {page} of {pages}").format(
            name=message.name, page=number(message.read + 1), pages=number(message.pages)
        )
        self._say(text)

    @on(Attached)
    def take_file(self, message: Attached) -> None:
        """Its text is a part of the message, where it can be seen and cut."""
        found, composer = message.attachment, self.query_one(Composer)
        composer.text = f"{clean(found.message)}{composer.text}"
        composer.move_cursor(composer.document.end)
        composer.focus()
        self._say_facts()
        if found.share == 1:
            text = _("All of {name} is in your message; write your question below it.")
        elif found.page is None:
            text = _("The first {share} of {name} is in your message, as much as this chat has "
                     "room for; write your question below it.")  # fmt: skip
        else:
            text = _("The first {share} of {name} is in your message, up to page {page}: as much "
                     "as this chat has room for. Write your question below it.")  # fmt: skip
        self.notice(
            text.format(name=found.name, share=percent(found.share), page=number(found.page or 0)),
            kind="hint" if found.share == 1 else "warning",
        )

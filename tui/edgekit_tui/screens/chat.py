"""Chat: a conversation with a model, shown as it is written and kept turn by turn."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Button, Static

from edgekit.errors import EdgekitError
from edgekit.runtime.memory import context_of
from edgekit_tui import models, speed
from edgekit_tui.answering import Answering
from edgekit_tui.history import Chat, ChatSettings, Turn
from edgekit_tui.i18n import N_, _, number, percent
from edgekit_tui.messages import (
    AnswerEnded,
    AnswerFailed,
    AnswerGrew,
    ChatOpened,
    Kept,
    NotKept,
    Said,
)
from edgekit_tui.screens.page import Page
from edgekit_tui.text import clean
from edgekit_tui.widgets.composer import Composer
from edgekit_tui.widgets.growing import GrowingTurn
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.turns import PAGE, Turns, widget
from edgekit_tui.widgets.ways_out import WaysOut


class ChatScreen(Page):
    TITLE_TEXT = N_("Chat")
    HELP_TEXT = N_(
        "Write a message and press Enter; ctrl j begins a new line. Every message is kept on this "
        "computer before it is answered, and an answer while it grows. To ask differently, take a "
        "message back with ctrl r, change it and send it again."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", N_("Stop"), id="chat.stop"),
        Binding("escape", "back", N_("Back"), id="page.back"),
        Binding("ctrl+n", "new", N_("New"), id="chat.new"),
        Binding("ctrl+t", "chats", N_("Chats"), id="chat.chats"),
        Binding("ctrl+r", "edit", N_("Edit"), id="chat.edit"),
        Binding("ctrl+s", "settings", N_("Chat settings"), id="chat.settings"),
        Binding("pageup", "page(-1)", show=False, priority=True),
        Binding("pagedown", "page(1)", show=False, priority=True),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.chat: Chat | None = None
        self.settings = ChatSettings()
        self.answering: Answering | None = None
        self._model_name = ""
        self._memory = self._tokens = 0
        """The model's context length in tokens, and how many of them the chat takes."""
        self._editing: int | None = None
        """The turn to be replaced."""
        self._keeping = False
        """Whether the sent message is still being saved."""
        self._draft = ""
        """What was typed before a message was taken back."""

    def body(self) -> Iterable[Widget]:
        yield Turns(id="turns")
        yield Notice(id="notice")
        yield WaysOut(id="ways")
        yield Static("", id="status", markup=False)
        yield Composer(id="text", placeholder=_("Write a message; Enter sends it"))

    def fill(self) -> None:
        self.query_one("#text").focus()
        if self.chat is not None:
            self.open_chat(self.chat.id)
        self._say(_("Opening the model…"))
        self.load()

    async def on_screen_resume(self) -> None:
        """On the chats screen, this one may have been renamed or deleted."""
        await super().on_screen_resume()
        if self.chat is not None:
            try:
                self.chat = self.edgekit.history.chat(self.chat.id)
                self._say_title()
            except EdgekitError as error:
                await self._begin_anew(ChatSettings())
                self.notice(str(error), kind="hint")

    @work(thread=True, exclusive=True, group="model")
    def load(self) -> None:
        with self.reporting():
            manifest = self.edgekit.models.get(self.folder).manifest
            self._model_name, self._memory = manifest.name, context_of(manifest, None)
            self.post_message(Said(""))

    @on(Said)
    def take_word(self, message: Said) -> None:
        self._say_title()
        self._say_facts()

    # Opening a chat, and loading turns while scrolling.

    @work(thread=True, exclusive=True, group="read")
    def open_chat(self, number: int) -> None:
        with self.reporting():
            chat = self.edgekit.history.chat(number)
            self.post_message(ChatOpened(chat, *self._last_turns(chat)))

    def _last_turns(self, chat: Chat) -> tuple[list[Turn], int]:
        turns = self.edgekit.history.turns(chat.id, most=PAGE)
        return turns, chat.turns - len(turns)

    @on(ChatOpened)
    async def take_chat(self, message: ChatOpened) -> None:
        self.chat, self.settings = message.chat, message.chat.settings
        if self._model_name and message.chat.model != self._model_name:
            begun = _("This chat was begun with another model: {name}.")
            self.notice(begun.format(name=message.chat.model), kind="hint")
        self._tokens = message.turns[-1].tokens if message.turns else 0
        await self.query_one(Turns).show(message.chat.id, message.turns, earlier=message.earlier)
        self._say_title()
        self._say_facts()
        self.refresh_bindings()

    def action_page(self, by: int) -> None:
        self.query_one(Turns).page(by)

    # What the user says: first kept, then shown, then answered.

    @on(Composer.Sent)
    def send(self, message: Composer.Sent) -> None:
        if self.answering is not None:
            self.notice(_("Press esc to stop the answer first."), kind="hint")
        elif not self._keeping:
            self._send(message.text)

    def _send(self, text: str) -> None:
        self.notice("")
        self._keeping = True
        self.keep(text, self._editing)

    @work(thread=True, exclusive=True, group="keep")
    def keep(self, text: str, instead_of: int | None) -> None:
        history = self.edgekit.history
        try:
            if self.chat is None:
                name = self.edgekit.models.get(self.folder).manifest.name
                number = history.begin(name, self.settings, text).id
            else:
                number = self.chat.id
                history.say(number, text, instead_of=instead_of)
            chat = history.chat(number)
            self.post_message(Kept(chat, text, *self._last_turns(chat)))
        except EdgekitError as error:
            self.post_message(NotKept(str(error)))

    @on(NotKept)
    def take_not_kept(self, message: NotKept) -> None:
        """What was typed stays in place, to be sent again."""
        self._keeping = False
        self.notice(message.sentence)

    @on(Kept)
    async def take_kept(self, message: Kept) -> None:
        self.chat, self._keeping = message.chat, False
        composer = self.query_one(Composer)
        if composer.text == message.text:
            composer.text = self._draft if self._editing is not None else ""
        self._editing = None
        turns = self.query_one(Turns)
        shown = [turn.turn for turn in turns.shown][-1:]
        if turns.later or shown != [turn.id for turn in message.turns[-2:-1]]:
            await turns.show(message.chat.id, message.turns, earlier=message.earlier)
        else:
            await turns.add(widget(message.turns[-1]))
        self._say_title()
        await self.ask()

    # The answer.

    async def ask(self) -> None:
        """Has the model answer the last message."""
        if self.chat is None:
            return
        self.notice("")
        self.answering = Answering(self.edgekit.history, self.chat, clock=self.edgekit.clock)
        self._say(_("The model reads what was said…"))
        await self.query_one(Turns).add(GrowingTurn(self.answering, self.folder))
        self.refresh_bindings()

    @on(AnswerGrew)
    def take_more(self, message: AnswerGrew) -> None:
        if message.answering is not self.answering:
            return
        if self.answering.trouble:
            self.notice(self.answering.trouble)
        if facts := speed.of_writing(self.answering.words_per_second):
            self._say(" · ".join(facts))

    @on(AnswerEnded)
    def take_answer(self, message: AnswerEnded) -> None:
        self._end_answer()
        turn = message.ending.turn
        if turn is None:
            self.notice(_("The model said nothing."), kind="hint")
            return
        self._tokens = turn.tokens
        rate = message.answering.words_per_second
        if rate is not None:
            self.remember(rate)
        facts = speed.of_writing(rate)
        if count := message.ending.left_out:
            facts.append(_("old turns left out: {count}").format(count=number(count)))
        self._say_facts(*facts)

    @work(thread=True, group="remember")
    def remember(self, words_per_second: float) -> None:
        """For Home; a lost measurement is made again."""
        with suppress(OSError, EdgekitError):
            digest = self.edgekit.models.get(self.folder).manifest.digest
            models.remember_writing_rate(digest, words_per_second)

    @on(AnswerFailed)
    def take_no_answer(self, message: AnswerFailed) -> None:
        self._end_answer()
        self._say_facts()
        if message.full:
            self._offer_ways()
        else:
            self.notice(message.sentence)

    def _end_answer(self) -> None:
        self.answering = None
        self.refresh_bindings()

    # A chat that has become longer than the model reads.

    def _offer_ways(self) -> None:
        if self.chat is not None:
            text = _("This chat is longer than the model can read at once. What now?")
            self.notice(text, kind="warning")
            alone = self.chat.turns < 2
            self.query_one(WaysOut).offer(
                drop=not (alone or self.settings.drop_oldest), new=not alone
            )

    @on(Button.Pressed)
    async def go_way(self, event: Button.Pressed) -> None:
        self.query_one("#text").focus()
        if self.chat is None:
            return
        if event.button.id == "drop":
            self.take_settings(replace(self.settings, drop_oldest=True))
            await self.ask()
        elif event.button.id == "new":
            question = self.edgekit.history.question_before(self.chat.id)
            await self._begin_anew(self.settings)
            if question is not None:
                self._send(question.text)
        else:
            self.action_edit()

    # Keys.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return self.answering is not None
        if action in ("new", "chats", "settings"):
            return self.answering is None
        return self.answering is None and self.chat is not None if action == "edit" else True

    def action_stop(self) -> None:
        if self.answering is not None:
            self.answering.stop()
            self._say(_("Stopping…"))

    async def action_new(self) -> None:
        await self._begin_anew(ChatSettings())

    async def _begin_anew(self, settings: ChatSettings) -> None:
        self.chat, self._editing, self._tokens = None, None, 0
        self.settings = settings
        self.notice("")
        await self.query_one(Turns).show(None, [], earlier=0)
        self._say_title()
        self._say_facts()
        self.refresh_bindings()

    def action_edit(self) -> None:
        """Takes the last message back; again, the one before it."""
        if self.chat is None:
            return
        try:
            turn = self.edgekit.history.question_before(self.chat.id, self._editing)
        except EdgekitError as error:
            self.notice(str(error))
            return
        if turn is None:
            return  # it was the first message
        composer = self.query_one(Composer)
        if self._editing is None:
            self._draft = composer.text
        self._editing = turn.id
        composer.text = turn.text
        composer.move_cursor(composer.document.end)
        composer.focus()
        self.notice(
            _("Sent again, this takes the place of the message and of all that follows it. "
              "Esc leaves them."),
            kind="hint",
        )  # fmt: skip

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
        self.edgekit.open_screen("chat_settings", self.settings, self.take_settings)

    def take_settings(self, settings: ChatSettings) -> None:
        """Before a chat has begun, they wait for it."""
        self.settings = settings
        if self.chat is not None:
            self.chat = replace(self.chat, settings=settings)
            try:
                self.edgekit.history.set_settings(self.chat.id, settings)
            except EdgekitError as error:
                self.notice(str(error))

    # The lines above and below.

    def fail(self, sentence: str) -> None:
        self._say("")
        super().fail(sentence)

    def notice(self, text: str, *, kind: str = "error") -> None:
        """Any notice replaces what was offered."""
        super().notice(text, kind=kind)
        self.query_one(WaysOut).display = False

    def _say_title(self) -> None:
        title = self.chat.title if self.chat is not None else _("New chat")
        self.top.say(f"{title} · {self._model_name}" if self._model_name else title)

    def _say_facts(self, *facts: str) -> None:
        told = list(facts)
        if self._memory and self._tokens:
            share = percent(min(1.0, self._tokens / self._memory))
            told.append(_("{share} of its memory is full").format(share=share))
        if not self.edgekit.history.kept:
            told.append(_("nothing is kept"))
        self._say(" · ".join(told))

    def _say(self, text: str) -> None:
        self.query_one("#status", Static).update(clean(text))

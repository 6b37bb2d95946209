"""A conversation with a model, shown as it is written and kept turn by turn; what keys do with it
beyond writing and sending is said in screens/chat.py."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from textual import on, work
from textual.widget import Widget
from textual.widgets import Button, Static

from edgekit.errors import EdgekitError
from edgekit.runtime.memory import context_of
from edgekit_tui import models, speed
from edgekit_tui.answering import Answering
from edgekit_tui.history import Chat, ChatSettings, Turn
from edgekit_tui.i18n import _, in_words, number, percent
from edgekit_tui.messages import (
    AnswerEnded,
    AnswerFailed,
    AnswerGrew,
    ChatOpened,
    Kept,
    ModelOpened,
    NotKept,
)
from edgekit_tui.screens.page import Page
from edgekit_tui.text import clean, one_line
from edgekit_tui.widgets.composer import Composer
from edgekit_tui.widgets.growing import GrowingTurn
from edgekit_tui.widgets.notice import Notice
from edgekit_tui.widgets.turns import PAGE, Turns, widget
from edgekit_tui.widgets.ways_out import WaysOut


class ConversingPage(Page):
    def __init__(self, folder: Path, chat: Chat | None = None) -> None:
        """`chat` is one to go on with."""
        super().__init__()
        self.folder = folder
        self.chat = chat
        self.settings = ChatSettings()
        self.answering: Answering | None = None
        self.last: Turn | None = None
        """The last turn of the chat."""
        self.others: dict[str, str] = {}
        """The names of the models that could answer, by their folders."""
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
        self.load(self.folder)

    async def on_screen_resume(self) -> None:
        """On the chats screen, this one may have been renamed or deleted."""
        await super().on_screen_resume()
        if self.chat is not None:
            try:
                self.chat = self.edgekit.history.chat(self.chat.id)
                self._say_title()
            except EdgekitError as error:
                await self._begin_anew(ChatSettings())
                self.notice(in_words(error), kind="hint")

    @work(thread=True, exclusive=True, group="model")
    def load(self, folder: Path) -> None:
        with self.reporting():
            manifest = self.edgekit.models.get(folder).manifest
            if self.chat is not None and folder != self.folder:
                self.edgekit.history.set_model(self.chat.id, manifest.name)
            names = {
                str(found.folder): found.artifact.manifest.name
                for found in self.edgekit.find()
                if found.artifact is not None
                and found.fits
                and found.artifact.manifest.model.chat is not None
            }
            self.post_message(ModelOpened(folder, manifest, names))

    @on(ModelOpened)
    def take_model(self, message: ModelOpened) -> None:
        changed = message.folder != self.folder
        self.folder, self.others = message.folder, message.others
        self._model_name = message.manifest.name
        self._memory = context_of(message.manifest, None)
        if changed:
            if self.chat is not None:
                self.chat = replace(self.chat, model=self._model_name)
            # Counted by the other model's tokens.
            self._tokens = 0
            text = _("{name} answers from now on; it reads the chat from its beginning.")
            self.notice(text.format(name=one_line(self._model_name)), kind="hint")
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
        self.last = message.turns[-1] if message.turns else None
        self._tokens = self.last.tokens if self.last is not None else 0
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
            self.post_message(NotKept(in_words(error)))

    @on(NotKept)
    def take_not_kept(self, message: NotKept) -> None:
        """What was typed stays in place, to be sent again."""
        self._keeping = False
        self.notice(message.sentence)

    @on(Kept)
    async def take_kept(self, message: Kept) -> None:
        self.chat, self._keeping = message.chat, False
        self.last = message.turns[-1]
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

    async def ask(self, *, again: Turn | None = None, goes_on: bool = False) -> None:
        """Has the model answer the last message; another time, or on from where it was cut."""
        if self.chat is None:
            return
        self.notice("")
        history, turns = self.edgekit.history, self.query_one(Turns)
        self.answering = Answering(
            history, self.chat, again=again, goes_on=goes_on, clock=self.edgekit.clock
        )
        self._say(_("The model reads what was said…"))
        growing = GrowingTurn(self.answering, self.folder)
        if again is None:
            await turns.add(growing)
        else:
            if turns.later:
                found, earlier = self._last_turns(self.chat)
                await turns.show(self.chat.id, found, earlier=earlier)
            await turns.replace_last(growing)
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
        turn = message.ending.turn
        self.last = turn or self.last
        self._end_answer()
        if turn is None:
            self._show_again(message.answering)
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
        if self.chat is not None:
            # What was said before the failure is kept.
            self.last = next(iter(self.edgekit.history.turns(self.chat.id, most=1)), self.last)
        self._end_answer()
        self._show_again(message.answering)
        self._say_facts()
        if message.full:
            self._offer_ways()
        else:
            self.notice(message.sentence)

    def _show_again(self, answering: Answering) -> None:
        """An answer that was to be replaced, and was not."""
        if answering.again is not None and self.chat is not None:
            self.open_chat(self.chat.id)

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

    # What else can become of a chat.

    async def _begin_anew(self, settings: ChatSettings) -> None:
        self.chat, self.last, self._editing, self._tokens = None, None, None, 0
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
            self.notice(in_words(error))
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

    def take_settings(self, settings: ChatSettings) -> None:
        """Before a chat has begun, they wait for it."""
        self.settings = settings
        if self.chat is not None:
            self.chat = replace(self.chat, settings=settings)
            try:
                self.edgekit.history.set_settings(self.chat.id, settings)
            except EdgekitError as error:
                self.notice(in_words(error))

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

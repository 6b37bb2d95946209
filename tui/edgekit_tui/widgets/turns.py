"""A conversation, one widget per turn; only as many turns are shown as a user scrolls through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from markdown_it import MarkdownIt
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.widgets import Markdown, Static

from edgekit.errors import EdgekitError
from edgekit_tui import importance
from edgekit_tui.history import Turn
from edgekit_tui.i18n import N_, _, in_words, ngettext, number
from edgekit_tui.messages import Failed, TurnsRead
from edgekit_tui.text import clean

if TYPE_CHECKING:
    from edgekit_tui.app import EdgekitApp

MOST_SHOWN = 40
MOST_LETTERS = 1600
PAGE = 20
"""Turns read at once."""
_ENDS = {
    "": N_("(cut off)"),
    "cancelled": N_("(stopped)"),
    "max_tokens": N_("(cut: as long as was asked for)"),
    "context": N_("(cut: the model's memory is full)"),
    "stop": "",
}


def _parser() -> MarkdownIt:
    # HTML would not be shown at all, and addresses are not links: nothing here opens a browser.
    return MarkdownIt("gfm-like", {"html": False, "linkify": False})


class PersonTurn(Static):
    """What the user said, literally; of a whole file in it, the beginning and the end."""

    def __init__(self, turn: Turn) -> None:
        super().__init__(_shortened(clean(turn.text)), markup=False)
        self.turn = turn.id


class ModelTurn(Vertical):
    """An answer, and why it ended where the model did not mean to."""

    def __init__(self, turn: Turn | None = None) -> None:
        """`turn` is None for an answer that is about to begin."""
        super().__init__()
        self.turn = turn.id if turn is not None else None
        self._text = clean(turn.text) if turn is not None else ""
        self._end = _ENDS.get(turn.ended, "") if turn is not None else ""

    def compose(self) -> ComposeResult:
        yield Markdown(self._text, parser_factory=_parser, open_links=False)
        end = Static(_(self._end), classes="ending", markup=False)
        end.display = bool(self._end)
        yield end

    async def grow(self, text: str) -> None:
        """Shows the answer so far; appends to what was shown before, where possible."""
        # Cleaned as a whole: a sequence may be cut in two by the pieces in which it arrives.
        shown, self._text = self._text, clean(text)
        if self._text == shown:
            return
        markdown = self.query_one(Markdown)
        if self._text.startswith(shown):
            await markdown.append(self._text[len(shown) :])
        else:
            await markdown.update(self._text)

    async def finish(self, turn: Turn) -> None:
        """However the pieces were cut: from here on it looks as if it had come at once."""
        self.turn, self._text = turn.id, clean(turn.text)
        await self.query_one(Markdown).update(self._text)
        self.say_end(_(_ENDS.get(turn.ended, "")))

    def say_end(self, text: str) -> None:
        end = self.query_one(".ending", Static)
        end.update(text)
        end.display = bool(text)


Shown = PersonTurn | ModelTurn


class Turns(VerticalScroll):
    """Stays at its end while that grows, unless the user scrolled away."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._chat: int | None = None
        self.earlier = 0
        """Number of turns before the first one shown."""
        self.later = 0

    def compose(self) -> ComposeResult:
        yield Static("", id="earlier", classes="ending", markup=False)
        yield Static("", id="later", classes="ending", markup=False)

    def on_mount(self) -> None:
        self._say_rest()

    @property
    def shown(self) -> list[Shown]:
        return [child for child in self.children if isinstance(child, PersonTurn | ModelTurn)]

    async def show(self, chat: int | None, turns: Sequence[Turn], *, earlier: int) -> None:
        """The last turns of a chat, and none of another; None for one that has not begun."""
        self._chat = chat
        with self.app.batch_update():
            await self.remove_children("PersonTurn, ModelTurn")
            await self.mount_all((widget(turn) for turn in turns), before="#later")
        self.earlier, self.later = earlier, 0
        self._say_rest()
        self.anchor()

    async def add(self, turn: Shown) -> None:
        """Appends a new one."""
        await self.mount(turn, before="#later")
        await self._prune_first()
        self.anchor()

    async def replace_last(self, turn: Shown) -> None:
        """An answer takes the place of the last one."""
        last = self.shown[-1:]
        with self.app.batch_update():
            await self.mount(turn, before="#later")
            await self.remove_children(last)
        self.anchor()

    def page(self, by: int) -> None:
        """Scrolls up or down; at the edge, what lies beyond it is loaded."""
        at_edge = self.scroll_y <= 0 if by < 0 else self.scroll_y >= self.max_scroll_y
        if at_edge and (self.earlier if by < 0 else self.later):
            self._read_on(before=by < 0)
        elif by < 0:
            self.scroll_page_up(animate=False)
        else:
            self.scroll_page_down(animate=False)

    def _edge(self, *, before: bool) -> int | None:
        """The first or the last turn shown."""
        shown = [turn.turn for turn in self.shown if turn.turn is not None]
        return shown[0 if before else -1] if shown else None

    def _read_on(self, *, before: bool) -> None:
        turn = self._edge(before=before)
        if self._chat is not None and turn is not None:
            self.read(self._chat, turn, before=before)

    @work(thread=True, exclusive=True, group="read")
    def read(self, chat: int, turn: int, *, before: bool) -> None:
        history = cast("EdgekitApp", self.app).history
        try:
            if before:
                turns = history.turns(chat, most=PAGE, before=turn)
            else:
                turns = history.turns(chat, most=PAGE, after=turn)
            self.post_message(TurnsRead(chat, turn, turns, before))
        except EdgekitError as error:
            self.post_message(Failed(in_words(error)))

    @on(TurnsRead)
    async def take_turns(self, message: TurnsRead) -> None:
        if message.chat != self._chat or message.turn != self._edge(before=message.before):
            return  # what was shown has changed meanwhile
        if message.before:
            await self._add_before(message.turns)
        else:
            await self._add_after(message.turns)

    async def _add_before(self, turns: Sequence[Turn]) -> None:
        first = self.shown[0]
        with self.app.batch_update():
            await self.mount_all((widget(turn) for turn in turns), before=first)
            gone = self.shown[MOST_SHOWN:]
            await self.remove_children(gone)
        self.earlier -= len(turns)
        self.later += len(gone)
        self._say_rest()
        self.anchor(False)
        self.call_after_refresh(self.scroll_to_widget, first, animate=False, top=True)

    async def _add_after(self, turns: Sequence[Turn]) -> None:
        last = self.shown[-1]
        with self.app.batch_update():
            await self.mount_all((widget(turn) for turn in turns), before="#later")
            self.later -= len(turns)
            await self._prune_first()
        self.call_after_refresh(self.scroll_to_widget, last, animate=False)

    async def _prune_first(self) -> None:
        gone = self.shown[:-MOST_SHOWN]
        await self.remove_children(gone)
        self.earlier += len(gone)
        self._say_rest()

    def _say_rest(self) -> None:
        """How much there is beyond what is shown, and how to get there."""
        texts = {
            "#earlier": (_("earlier turns: {count} · page up"), self.earlier),
            "#later": (_("later turns: {count} · page down"), self.later),
        }
        for name, (text, count) in texts.items():
            note = self.query_one(name, Static)
            note.update(text.format(count=number(count)))
            note.display = count > 0

    @on(Click, "#earlier, #later")
    def click_rest(self, event: Click) -> None:
        """Loads more; a click may come while the text is not scrolled to that edge."""
        if event.widget is not None:
            self._read_on(before=event.widget.id == "earlier")


def _shortened(text: str) -> Content:
    if len(text) <= MOST_LETTERS:
        return Content(text)
    half = MOST_LETTERS // 2
    hidden = importance.words(text[half:-half])
    note = ngettext("… {count} word is not shown …", "… {count} words are not shown …", hidden)
    return Content.assemble(
        text[:half].rstrip(), "\n\n", (note.format(count=number(hidden)), "$muted"), "\n\n",
        text[-half:].lstrip(),
    )  # fmt: skip


def widget(turn: Turn) -> Shown:
    return PersonTurn(turn) if turn.role == "user" else ModelTurn(turn)

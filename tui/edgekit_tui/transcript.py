"""A chat in other forms: the messages for a model, and a Markdown document. Draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edgekit.data.conversation import Message
from edgekit_tui import places
from edgekit_tui.history import Chat, History, Turn
from edgekit_tui.i18n import _
from edgekit_tui.text import clean, one_line

ENDING = ".md"
_PAGE = 500
# The oldest turns are left out one by one until the rest fits, each time rereading everything.
# Turns with no chance of fitting are not sent at all: a turn takes a few tokens besides its text,
# and hardly any language has more letters per token.
_TOKENS_A_TURN = 8
LETTERS_A_TOKEN = 8


def for_model(turns: Sequence[Turn], system: str) -> list[Message]:
    """The messages for the model; many refuse two questions in a row, so these become one."""
    messages: list[Message] = [{"role": "system", "content": system}] if system.strip() else []
    for turn in turns:
        if messages and messages[-1]["role"] == turn.role:
            messages[-1] = {
                "role": turn.role,
                "content": f"{messages[-1]['content']}\n\n{turn.text}",
            }
        else:
            messages.append({"role": turn.role, "content": turn.text})
    return messages


def may_fit(turns: Sequence[Turn], context: int) -> list[Turn]:
    """As many of the last turns as could fit; they begin with a question."""
    letters = 0
    kept: list[Turn] = []
    for turn in turns[::-1]:
        letters += len(turn.text)
        too_much = letters > context * LETTERS_A_TOKEN or len(kept) * _TOKENS_A_TURN > context
        if kept and too_much:
            break
        kept.append(turn)
    while len(kept) > 1 and kept[-1].role != "user":
        kept.pop()
    return kept[::-1]


def export(history: History, chat: Chat, out: Path) -> int:
    """Writes a chat as Markdown; returns the number of its turns.

    Raises DataError if `out` exists: none of the user's files is overwritten.
    """
    written = 0
    with places.written_whole(out) as stream:
        stream.write(f"# {one_line(chat.title)}\n\n*{one_line(chat.model)}*\n")
        if chat.settings.system.strip():
            stream.write(f"\n> {clean(chat.settings.system).replace(chr(10), chr(10) + '> ')}\n")
        for turn in _all_turns(history, chat.id):
            who = _("You") if turn.role == "user" else _("Model")
            stream.write(f"\n**{who}:**\n\n{clean(turn.text)}\n")
            written += 1
    return written


def _all_turns(history: History, chat: int) -> Iterator[Turn]:
    after = 0
    while page := history.turns(chat, most=_PAGE, after=after):
        yield from page
        after = page[-1].id

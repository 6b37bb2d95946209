"""The app in a chat that never ends; says which messages a person has seen to be said.

`python -m tests.tui.chat_child`, with EDGEKIT_DATA set, to be killed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import count

from edgekit_tui import answering
from edgekit_tui.screens.chat import ChatScreen
from edgekit_tui.widgets.composer import Composer

from tests.tui.scripted import (
    ScriptedModel,
    found_chat,
    make_app,
    make_chat_manifest,
    seen,
    settle,
    until,
)


class _Endless:
    """Pieces of a reply for ever, a little time apart."""

    def __getitem__(self, _: object) -> Iterator[str]:
        return (pause(f"word{number} ") for number in count())


def pause(piece: str) -> str:
    time.sleep(0.001)
    return piece


def is_beginning(text: str) -> bool:
    """Whether a reply could have been cut off here."""
    return "".join(f"word{number} " for number in range(len(text))).startswith(text)


async def main() -> None:
    answering.KEEP_SECONDS = 0.02
    model = ScriptedModel(make_chat_manifest())
    model.reply = _Endless()  # type: ignore[assignment]
    app = make_app([found_chat()], model=model)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("enter")
        screen = app.screen
        assert isinstance(screen, ChatScreen)
        for number in count():
            screen.post_message(Composer.Sent(f"question {number}"))
            await until(pilot, lambda said=f"question {number}": said in seen(app))
            print(number, flush=True)
            await until(pilot, lambda: screen.answering is not None and screen.answering.text)
            await pilot.press("escape")
            await until(pilot, lambda: screen.answering is None)


if __name__ == "__main__":
    asyncio.run(main())

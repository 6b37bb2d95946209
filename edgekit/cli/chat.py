"""`edgekit chat`: a conversation in the terminal, or one answer for a script."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli import DONE, INTERRUPTED
from edgekit.cli.output import messages
from edgekit.cli.terminal import Shown, printable
from edgekit.errors import EdgekitError

if TYPE_CHECKING:
    from edgekit.data.conversation import Message, Reply, WhenFull
    from edgekit.model import Model

HELP = "An empty line sends nothing. Ctrl-C stops an answer. /new begins anew, /quit ends."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="a chat artifact's folder")
    parser.add_argument("--prompt", metavar="TEXT", help="print the answer to this alone")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told to be")
    parser.add_argument(
        "--plain",
        action="store_true",
        help="whole answers after a word that says whose they are, for screen readers",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="the same answers again")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 is the likeliest answer")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="of each answer, at most")
    parser.add_argument("--context", type=int, metavar="N", help="tokens that the model remembers")
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use")


def run(settings: argparse.Namespace) -> int:
    import edgekit  # the engine: not for `--help`

    with edgekit.load(
        settings.artifact, threads=settings.threads, context=settings.context
    ) as model:
        talk = _Talk(model, settings)
        if settings.prompt is not None:
            return talk.answer(settings.prompt)
        return talk.go_on()


class _Talk:
    """A conversation with its history in memory; nothing of it is kept afterwards."""

    def __init__(self, model: Model, settings: argparse.Namespace) -> None:
        self._model = model
        self._settings = settings
        self._system: list[Message] = (
            [] if settings.system is None else [{"role": "system", "content": settings.system}]
        )
        self._said = list(self._system)

    def go_on(self) -> int:
        """Asks and answers until the user leaves."""
        messages().print(HELP)
        while (line := _read_line(plain=self._settings.plain)) is not None:
            text = line.strip()
            if text == "/quit":
                return DONE
            if text == "/new":
                self._said = list(self._system)
            elif text.startswith("/"):
                messages().print(f"There is no command '{text}'. {HELP}", soft_wrap=True)
            elif text:
                self._turn(text)
        return DONE

    def answer(self, prompt: str) -> int:
        """One answer on stdout; on Ctrl-C, as much as was written until then."""
        reply = self._ask(prompt, when_full="error", lead="")
        _note(reply)
        return INTERRUPTED if reply.ended == "cancelled" else DONE

    def _turn(self, text: str) -> None:
        lead = "Answer: " if self._settings.plain else ""
        try:
            reply = self._ask(text, when_full="drop_oldest", lead=lead)
        except EdgekitError as error:
            # A dead worker is restarted with the next question; the conversation so far is here.
            del self._said[-1]
            messages().print(f"edgekit: {printable(str(error), most=2000)}", soft_wrap=True)
            return
        _note(reply)
        # What did not fit the model's context is not sent again.
        self._said = [one for at, one in enumerate(self._said) if at not in reply.dropped]
        if reply.text:
            self._said.append({"role": "assistant", "content": reply.text})
        else:
            # Stopped before the first word: many templates refuse two questions in a row.
            del self._said[-1]

    def _ask(self, text: str, *, when_full: WhenFull, lead: str) -> Reply:
        settings = self._settings
        self._said.append({"role": "user", "content": text})
        stream = self._model.chat(
            self._said,
            stream=True,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            seed=settings.seed,
            when_full=when_full,
        )
        shown = Shown(sys.stdout)
        sys.stdout.write(lead)
        while True:
            try:
                for piece in stream:
                    if not settings.plain:
                        shown.add(piece)
                break
            except KeyboardInterrupt:
                stream.cancel()
        if settings.plain:
            shown.add(stream.text)
        shown.finish()
        return stream.reply()


def _read_line(*, plain: bool) -> str | None:
    """What the user typed; None when they left, by Ctrl-D or by Ctrl-C on an empty line."""
    try:
        if sys.stdin.isatty():
            return input("You: " if plain else "> ")
        line = sys.stdin.readline()
        return line if line else None
    except (EOFError, KeyboardInterrupt):
        sys.stdout.write("\n")
        return None


def _note(reply: Reply) -> None:
    """What the user must know about an answer besides its text."""
    notes = {
        "cancelled": "(stopped)",
        "max_tokens": f"(cut after {reply.tokens} tokens, as asked)",
        "context": "(cut: the model's context is full; /new begins anew, --context allows more)",
        "stop": "",
    }
    if notes[reply.ended]:
        messages().print(notes[reply.ended], soft_wrap=True)
    if reply.dropped:
        messages().print(
            f"(to fit the model's context, the {len(reply.dropped)} oldest messages were left out)",
            soft_wrap=True,
        )

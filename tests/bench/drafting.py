"""Measures what drafts save a chat model: `python tests/bench/drafting.py ARTIFACT TEXT…`.

Summaries of windows of plain texts, each asked for twice in turns in one process: token by token,
and drafted. Of the drafted ones it says how many are the same, token for token, without guesses.
Prints a Markdown table, and the median of the ratios of the seconds that each answer took after its
first piece.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgekit.artifact import folder as artifacts
from edgekit.data.conversation import Reply, Sampling
from edgekit.runtime.engine import Asked
from edgekit.runtime.gguf.engine import LlamaChat, open_chat
from edgekit.runtime.gguf.lookup import Guess, Lookup
from edgekit.system.cancel import Cancel

WORDS = 100
ANSWER_TOKENS = 200
_ASKED = (
    "Write a summary of the text in English, in plain sentences, about {words} words. Keep "
    "numbers, dates and names exactly as they are. Say only what the text says, and nothing "
    "about yourself.\n\n{text}"
)


class Never:
    """Guesses nothing."""

    def add(self, token: int) -> None: ...

    def guess(self, most: int) -> Guess:
        return Guess((), 0)


@dataclass(frozen=True, slots=True)
class Turn:
    reply: Reply
    tokens_per_s: float
    """After the first piece."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("artifact", type=Path)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--characters", type=int, default=4500, help="of each window")
    parser.add_argument("--windows", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    settings = parser.parse_args(arguments)
    texts = [path.read_text(encoding="utf-8") for path in settings.texts]
    windows = [
        text[start : start + settings.characters]
        for text in texts
        for start in range(0, len(text) - settings.characters + 1, settings.characters)
    ][: settings.windows]
    model = open_chat(artifacts.read(settings.artifact), {}, Asked(threads=settings.threads))
    ask(model, windows[0], drafts=True)  # measures which sizes of batches give the same bits
    turns = []
    for number, window in enumerate(windows):
        order = (False, True) if number % 2 == 0 else (True, False)
        found = {drafts: ask(model, window, drafts=drafts) for drafts in order}
        model._guessing = lambda prompt: Never()
        same = ask(model, window, drafts=True).reply.text == found[True].reply.text
        model._guessing = Lookup
        turns.append((found[False], found[True], same))
        print(row(*turns[-1]), flush=True)
    print(total(turns))
    model.close()
    return 0


def ask(model: LlamaChat, text: str, *, drafts: bool) -> Turn:
    firsts: list[float] = []

    def on_piece(piece: str) -> None:
        if not firsts:
            firsts.append(time.perf_counter())

    asked = Sampling(ANSWER_TOKENS, temperature=0.0, seed=0, drafts=drafts)
    content = _ASKED.format(words=WORDS, text=text)
    reply = model.chat(
        [{"role": "user", "content": content}], asked, on_piece=on_piece, cancel=Cancel()
    )
    if reply.tokens < 2:
        raise SystemExit("The model answers in less than two tokens, which cannot be timed.")
    return Turn(reply, (reply.tokens - 1) / (time.perf_counter() - firsts[0]))


def row(plain: Turn, drafted: Turn, same: bool) -> str:
    reply = drafted.reply
    return (
        f"| {reply.prompt_tokens} | {reply.tokens} | {plain.tokens_per_s:.1f} "
        f"| {drafted.tokens_per_s:.1f} | {drafted.tokens_per_s / plain.tokens_per_s:.2f} "
        f"| {reply.accepted_tokens} of {reply.drafted_tokens} | {'yes' if same else 'NO'} |"
    )


def total(turns: Sequence[tuple[Turn, Turn, bool]]) -> str:
    ratios = [drafted.tokens_per_s / plain.tokens_per_s for plain, drafted, _ in turns]
    accepted = sum(drafted.reply.accepted_tokens for _, drafted, _ in turns)
    tokens = sum(drafted.reply.tokens for _, drafted, _ in turns)
    same = sum(1 for *_, one in turns if one)
    return (
        f"\ndrafted: {float(np.median(ratios)):.2f} times as fast, the median of {len(turns)} "
        f"texts ({min(ratios):.2f} to {max(ratios):.2f}); {accepted / tokens:.0%} of the tokens "
        f"were guessed; {same} of {len(turns)} answers are the same without guesses"
    )


if __name__ == "__main__":
    print(
        "| prompt | answer | plain tokens/s | drafted | ratio | accepted | same |\n"
        + "|---" * 7
        + "|"
    )
    sys.exit(main(sys.argv[1:]))

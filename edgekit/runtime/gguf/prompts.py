"""From messages to the tokens that a model reads, no more than its context holds. Runs no model."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from edgekit.data.conversation import Message, WhenFull, oldest_turn
from edgekit.errors import ArtifactError, ContextOverflow
from edgekit.runtime.refusals import told
from edgekit.runtime.rendering import render


class Words(Protocol):
    """A model's tokenizer."""

    def tokenize(self, text: str, *, special: bool) -> list[int]: ...

    def piece(self, token: int, *, special: bool = False) -> bytes: ...

    def is_control(self, token: int) -> bool: ...


class Prompts:
    def __init__(self, words: Words, template: str | None, *, bos: str, eos: str) -> None:
        """`template` is the model's own, or None; `bos` and `eos` are the texts of its tokens."""
        self._words = words
        self._template = template
        self._bos, self._eos = bos, eos

    def tokens(self, messages: Sequence[Message], *, now: datetime | None = None) -> list[int]:
        """The conversation up to where the model's answer begins, as Hugging Face renders it.

        Whatever looks like a special token within a message is read as plain text: nobody who
        writes a message can end it and speak for another.
        """
        if self._template is None:
            raise ArtifactError(
                "This model has no chat template, so it cannot be spoken to; give its checkpoint "
                "a chat_template and build the artifact again."
            )
        mark = secrets.token_hex(8)
        masked: list[str] = []
        shown = [
            {**message, "content": self._mask(message["content"], mark, masked)}
            for message in messages
        ]
        text = render(self._template, shown, bos=self._bos, eos=self._eos, now=now)
        if not masked:
            return self._words.tokenize(text, special=True)
        tokens = []
        for part in re.split(f"({mark}:[0-9]+;)", text):
            if part.startswith(mark):
                number = int(part[len(mark) + 1 : -1])
                tokens += self._words.tokenize(masked[number], special=False)
            elif part:
                tokens += self._words.tokenize(part, special=True)
        return tokens

    def _mask(self, content: str, mark: str, masked: list[str]) -> str:
        """The content with a mark in place of each text of a control token."""
        found = set(self._words.tokenize(content, special=True))
        texts = {
            self._words.piece(token, special=True).decode("utf-8", "replace")
            for token in found
            if self._words.is_control(token)
        } - {""}
        if not texts:
            return content

        def put_aside(match: re.Match[str]) -> str:
            masked.append(match[0])
            return f"{mark}:{len(masked) - 1};"

        longest_first = sorted(map(re.escape, texts), key=len, reverse=True)
        return re.sub("|".join(longest_first), put_aside, content)

    def fit(
        self, messages: Sequence[Message], *, context: int, room: int, when_full: WhenFull
    ) -> tuple[list[int], tuple[int, ...]]:
        """The tokens, and which messages were left out so that an answer of `room` tokens fits.

        Raises ContextOverflow if nothing may be left out, or too little can be.
        """
        tokens = self.tokens(messages)
        kept = list(range(len(messages)))
        while len(tokens) + room > context:
            count = oldest_turn([messages[at] for at in kept])
            if when_full == "error" or count == 0:
                raise _overflow(len(tokens), room, context, may_drop=count > 0)
            first = next(at for at in kept if messages[at]["role"] != "system")
            kept = [at for at in kept if not first <= at < first + count]
            tokens = self.tokens([messages[at] for at in kept])
        return tokens, tuple(at for at in range(len(messages)) if at not in kept)


def _overflow(tokens: int, room: int, context: int, *, may_drop: bool) -> ContextOverflow:
    remedy = (
        "begin a new conversation, load the model with a larger context, or let the oldest turns "
        "be dropped (when_full='drop_oldest')"
        if may_drop
        else "send a shorter text, or load the model with a larger context"
    )
    return ContextOverflow(
        told(
            "conversation-too-long",
            {
                "tokens": f"{tokens:,}",
                "room": f"{room:,}",
                "context": f"{context:,}",
                "remedy": remedy,
            },
        )
    )

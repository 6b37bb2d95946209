"""A chat model as a reader of long texts: its prompts, and how much of the text each may hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from edgekit.artifact.manifest import Manifest
from edgekit.data.conversation import Message, Sampling
from edgekit.data.sentences import spans
from edgekit.errors import ContextOverflow
from edgekit.system.cancel import Cancel, Cancelled
from edgekit.tasks import refusals
from edgekit.tasks.chat.stream import ChatStream
from edgekit.tasks.summarization.stream import Here
from edgekit.tasks.summarization.summary import Summary, Told, Wanted
from edgekit.tasks.summarization.written import Writing
from edgekit.wording.language_names import language_name

OnPiece = Callable[[str], None]
# Most tokens of an answer for each word asked for; beyond that it is not a summary any more.
_TOKENS_PER_WORD = 4
_LEAST_ANSWER = 64
# Shares of the context: the most that an answer may take, and the note on the parts before it.
_ANSWER_SHARE = 0.3
_BEFORE_SHARE = 0.1
# Texts tokenize a little longer inside a conversation than alone.
_SPARE_TOKENS = 16
_LEAST_WINDOW = 64

_NOTE = (
    "You take notes on a long text, part by part, for a summary. Write in {language}, in plain "
    "sentences, at most {words} words. Keep numbers, dates and names exactly as they are. Say only "
    "what this part says, and nothing about yourself."
)
_JOIN = (
    "You are given notes on the parts of one text, in order. Write one summary of the whole text "
    "in {language}, in plain sentences, about {words} words. Keep numbers, dates and names exactly "
    "as they are. Say only what the notes say, and nothing about yourself."
)
_WHOLE = (
    "Write a summary of the text in {language}, in plain sentences, about {words} words. Keep "
    "numbers, dates and names exactly as they are. Say only what the text says, and nothing about "
    "yourself."
)
_BEFORE = "What the parts before said:\n{before}\n\n"


class Chatting(Protocol):
    """What is needed from a chat model's verbs."""

    @property
    def context(self) -> int: ...

    def chat(self, messages: Sequence[Message], asked: Sampling) -> ChatStream: ...

    def count(self, prompt: str | Sequence[Message]) -> int: ...


class ChatReader:
    """A Reader for one text and its summary."""

    def __init__(self, verbs: Chatting, wanted: Wanted) -> None:
        """Raises ContextOverflow if the context is too small to read anything."""
        self._verbs = verbs
        self._wanted = wanted
        self._current: ChatStream | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._answer = max(
            _LEAST_ANSWER,
            min(round(_ANSWER_SHARE * verbs.context), _TOKENS_PER_WORD * wanted.words),
        )
        self._before = round(_BEFORE_SHARE * verbs.context)
        longest = max((_NOTE, _JOIN, _WHOLE), key=len)
        told = verbs.count(self._messages(longest, 1000, _BEFORE.format(before="")))
        self.window = verbs.context - self._answer - self._before - told - _SPARE_TOKENS
        if self.window < _LEAST_WINDOW:
            raise ContextOverflow(
                refusals.told(
                    "context-too-small",
                    {"context": f"{verbs.context:,}", "words": f"{wanted.words:,}"},
                )
            )

    def count(self, text: str) -> int:
        return self._verbs.count(text)

    def note(self, part: str, *, words: int, before: Sequence[str], on_piece: OnPiece) -> str:
        return self._written(_NOTE, words, self._note_before(before) + part, on_piece)

    def whole(self, text: str, *, words: int, on_piece: OnPiece) -> str:
        return self._written(_WHOLE, words, text, on_piece)

    def join(self, notes: str, *, words: int, on_piece: OnPiece) -> str:
        return self._written(_JOIN, words, notes, on_piece)

    def stop(self) -> None:
        """Stops the answer that is being written, from another thread."""
        with self._lock:
            self._stopped = True
            if self._current is not None:
                self._current.cancel()

    def _note_before(self, before: Sequence[str]) -> str:
        """The running note: as many of the latest notes as there is room for."""
        kept: list[str] = []
        left = self._before
        for note in reversed(before):
            left -= self.count(note) + 1
            if left < 0:
                break
            kept.insert(0, note)
        return _BEFORE.format(before="\n".join(kept)) if kept else ""

    def _written(self, instruction: str, words: int, text: str, on_piece: OnPiece) -> str:
        # The likeliest answer, and the same one each time.
        asked = Sampling(self._answer, temperature=0.0, seed=0, drafts=True)
        stream = self._begin(self._messages(instruction, words, text), asked)
        with stream:
            for piece in stream:
                on_piece(piece)
            reply = stream.reply()
        if reply.ended == "cancelled":
            raise Cancelled
        return reply.text if reply.ended == "stop" else _whole_sentences(reply.text)

    def _begin(self, messages: Sequence[Message], asked: Sampling) -> ChatStream:
        with self._lock:
            if self._stopped:
                raise Cancelled
            self._current = self._verbs.chat(messages, asked)
            return self._current

    def _messages(self, instruction: str, words: int, text: str) -> list[Message]:
        language = self._wanted.language
        named = "the language of the text" if language is None else language_name(language)
        told = instruction.format(language=named, words=words)
        # A single message: some templates have no system role.
        return [{"role": "user", "content": f"{told}\n\n{text}"}]


class ChatBeginner:
    """Begins summaries by a chat model, which is closed by whoever opened it."""

    def __init__(self, verbs: Chatting, manifest: Manifest) -> None:
        self._verbs, self._name = verbs, manifest.digest

    def begin_summary(self, text: str, wanted: Wanted) -> Here:
        reader = ChatReader(self._verbs, wanted)

        def make(tell: Callable[[Told], None], cancel: Cancel) -> Summary:
            writing = Writing(
                reader, wanted, engine="chat", model=self._name, tell=tell, cancel=cancel
            )
            return writing.summary(text)

        return Here(make, on_cancel=reader.stop)

    def close(self) -> None:
        """It owns nothing."""


def _whole_sentences(text: str) -> str:
    """Ends an answer that was stopped for its length after its last whole sentence."""
    found = spans(text)
    return text[: found[-2].end] if len(found) > 1 else text

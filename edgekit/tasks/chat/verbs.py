"""What a program can ask a chat model: to go on with a conversation, to label, to extract."""

from __future__ import annotations

import weakref
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any, Self

import numpy as np

from edgekit.artifact.manifest import Manifest
from edgekit.data import conversation
from edgekit.data.conversation import Ended, Reply, Sampling, WhenFull
from edgekit.errors import EdgekitError, UnsupportedTask
from edgekit.runtime.gate import Gate
from edgekit.runtime.isolated import IsolatedChatter
from edgekit.runtime.process import PATIENCE_SECONDS, Exchange
from edgekit.tasks.chat.extraction import Form
from edgekit.tasks.chat.labelling import Balance, Question, fit_balance
from edgekit.tasks.classification.answer import Answer
from edgekit.tasks.classification.verbs import check_floor, check_text, check_texts


class ChatStream(Iterator[str]):
    """An answer while it is made: an iterator of pieces, each of whole characters.

    The model writes on by itself, however slowly the pieces are taken; it stops when the stream is
    cancelled, closed or forgotten.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.text = ""
        """What was taken of the answer so far; all of it at the end."""
        self._exchange = exchange
        self._reply: Reply | None = None
        self._failed: EdgekitError | None = None
        self._taking = Lock()
        self._forgotten = weakref.finalize(self, exchange.cancel)
        self._forgotten.atexit = False

    @property
    def ended(self) -> Ended | None:
        """Why the answer ended; None while it goes on."""
        return None if self._reply is None else self._reply.ended

    def cancel(self) -> None:
        """Stops the model at once; what it has said until then can still be taken."""
        self._exchange.cancel()

    def wait(self, seconds: float) -> None:
        """Until the answer has ended, taken or not, or the time is over."""
        self._exchange.ended.wait(seconds)

    def reply(self) -> Reply:
        """Takes what is left and returns the whole answer with what became of the question."""
        while self._reply is None:
            self._take()
        return self._reply

    def close(self) -> None:
        """Cancels, if the answer has not ended, and waits for its end."""
        if self._reply is None and self._failed is None:
            self.cancel()
            self.reply()

    def __next__(self) -> str:
        piece = None if self._reply is not None else self._take()
        if piece is None:
            raise StopIteration
        return piece

    def _take(self) -> str | None:
        """The next piece; None where the end has come instead."""
        with self._taking:
            if self._failed is not None:
                raise self._failed
            if self._reply is not None:
                return None
            try:
                heard = self._exchange.take()
            except EdgekitError as error:
                self._failed = error
                raise
            if "piece" in heard:
                self.text += heard["piece"]
                return str(heard["piece"])
            self._forgotten.detach()
            result = heard["result"]
            self._reply = Reply(**{**result, "dropped": tuple(result["dropped"])})
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ChatVerbs:
    def __init__(self, manifest: Manifest, engine: IsolatedChatter) -> None:
        self._manifest = manifest
        self._engine = engine
        self._gate = Gate()
        self._streams: weakref.WeakSet[ChatStream] = weakref.WeakSet()
        self._balanced: tuple[object, Balance] = (None, Balance())

    def chat(
        self,
        messages: Iterable[Mapping[str, Any]],
        asked: Sampling,
        *,
        when_full: WhenFull,
        grammar: str | None = None,
    ) -> ChatStream:
        checked = conversation.messages(messages)
        with self._gate.passing():
            stream = ChatStream(
                self._engine.begin_chat(checked, asked, when_full=when_full, grammar=grammar)
            )
        self._streams.add(stream)
        return stream

    @property
    def context(self) -> int:
        """Tokens that the model remembers."""
        return self._engine.context

    def count(self, prompt: str | Sequence[Mapping[str, str]]) -> int:
        """The tokens of a text, or of a conversation up to where the answer begins."""
        told = prompt if isinstance(prompt, str) else conversation.messages(prompt)
        with self._gate.passing():
            return self._engine.count(told)

    def classify(
        self,
        texts: str | Iterable[str],
        *,
        abstain_below: float | None,
        labels: Sequence[str] | None,
        examples: Sequence[tuple[str, str]],
        validation: Sequence[tuple[str, str]],
        instruction: str | None,
    ) -> Answer | Generator[Answer, None, None]:
        if labels is None:
            raise UnsupportedTask(
                f"'{self._manifest.name}' is a chat artifact and has no labels of its own; say "
                "which to choose from: labels=[…]."
            )
        floor = check_floor(self._manifest, abstain_below)
        question = Question.about(labels, examples, instruction=instruction)
        balance = self._balance(question, tuple(validation))
        label = partial(self._label, question, balance, floor)
        if isinstance(texts, str):
            return label(texts)
        check_texts(texts)
        return (label(text) for text in texts)

    def extract(
        self,
        text: str,
        *,
        schema: Mapping[str, Any] | type,
        instruction: str | None,
        max_tokens: int,
    ) -> Any:
        check_text(text)
        form = Form.of(schema)
        # The likeliest answer, and the same one each time.
        asked = Sampling(max_tokens=max_tokens, temperature=0.0, seed=0)
        question = form.question(text, instruction=instruction)
        with self.chat(question, asked, when_full="error", grammar=form.grammar) as stream:
            return form.read(stream.reply())

    def _label(self, question: Question, balance: Balance, floor: float, text: str) -> Answer:
        return question.answer(self._scores(question, text), balance, abstain_below=floor)

    def _scores(self, question: Question, text: str) -> np.ndarray:
        check_text(text)
        with self._gate.passing():
            scores = self._engine.score(question.messages(text), question.labels)
        return np.array(scores, dtype=np.float64)

    def _balance(self, question: Question, validation: tuple[tuple[str, str], ...]) -> Balance:
        """How likely the labels are in general; the one of the last question is remembered."""
        known, balance = self._balanced
        if known != (question, validation):
            rows = [(text, question.place(label)) for text, label in validation]
            scores = [self._scores(question, text) for text, _ in rows]
            balance = fit_balance(scores, [place for _, place in rows], len(question.labels))
            self._balanced = ((question, validation), balance)
        return balance

    def close(self) -> None:
        """Stops the answers that are being made, and frees the model."""
        if self._gate.shut():
            streams = list(self._streams)
            for stream in streams:
                stream.cancel()
            for stream in streams:
                stream.wait(PATIENCE_SECONDS)
            self._engine.close()

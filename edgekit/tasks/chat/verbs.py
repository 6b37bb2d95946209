"""The verbs of a chat model: chat, classify, extract, summarize. Its engine is in a worker."""

from __future__ import annotations

import weakref
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.data import conversation
from edgekit.data.conversation import Sampling
from edgekit.errors import UnsupportedTask
from edgekit.runtime.engine import Asked
from edgekit.runtime.gate import Gate
from edgekit.runtime.memory import context_of
from edgekit.system.child import PATIENCE_SECONDS
from edgekit.tasks.chat.extraction import Form
from edgekit.tasks.chat.labelling import Balance, Question, fit_balance
from edgekit.tasks.chat.stream import ChatStream
from edgekit.tasks.chat.summaries import ChatBeginner
from edgekit.tasks.chat.wire import IsolatedChatter
from edgekit.tasks.classification.answer import Answer
from edgekit.tasks.classification.verbs import check_floor, check_text, check_texts
from edgekit.tasks.summarization.stream import SummaryStream
from edgekit.tasks.summarization.verbs import OnTold, SummaryVerbs


def open_verbs(artifact: Artifact, asked: Asked, *, isolate: bool) -> ChatVerbs:
    """What `edgekit.load` returns for a chat model, which always runs in a worker."""
    context_of(artifact.manifest, asked.context)
    return ChatVerbs(artifact.manifest, IsolatedChatter(artifact, asked))


class ChatVerbs:
    def __init__(self, manifest: Manifest, engine: IsolatedChatter) -> None:
        self._manifest = manifest
        self._engine = engine
        self._gate = Gate()
        self._streams: weakref.WeakSet[ChatStream] = weakref.WeakSet()
        self._balanced: tuple[object, Balance] = (None, Balance())

    def chat(self, messages: Iterable[Mapping[str, Any]], asked: Sampling) -> ChatStream:
        checked = conversation.messages(messages)
        with self._gate.passing():
            stream = ChatStream(self._engine.begin_chat(checked, asked))
        self._streams.add(stream)
        return stream

    @property
    def context(self) -> int:
        """The model's context in tokens."""
        return self._engine.context

    def count(self, prompt: str | Sequence[Mapping[str, str]]) -> int:
        """The tokens of a text, or of a conversation up to where the answer begins."""
        told = prompt if isinstance(prompt, str) else conversation.messages(prompt)
        with self._gate.passing():
            return self._engine.count(told)

    def ids(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        """These tokens themselves."""
        told = prompt if isinstance(prompt, str) else conversation.messages(prompt)
        with self._gate.passing():
            return self._engine.ids(told)

    def forget(self) -> None:
        """Erases what the model remembers of earlier conversations, which it keeps for speed."""
        with self._gate.passing():
            self._engine.forget()

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

    @property
    def extracts(self) -> bool:
        """Whether its summaries consist of the text's own sentences: never."""
        return False

    def summarize(
        self,
        text: str,
        *,
        words: int | None,
        kept: str | None,
        on_told: OnTold,
        first: SummaryVerbs | None = None,
    ) -> SummaryStream:
        """As in tasks/summarization/verbs.py."""
        verbs = SummaryVerbs(self._manifest, ChatBeginner(self, self._manifest))
        return verbs.summarize(text, words=words, kept=kept, on_told=on_told, first=first)

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
        asked = Sampling(max_tokens, temperature=0.0, seed=0, grammar=form.grammar, drafts=True)
        with self.chat(form.question(text, instruction=instruction), asked) as stream:
            return form.read(stream.reply())

    def _label(self, question: Question, balance: Balance, floor: float, text: str) -> Answer:
        return question.answer(self._scores(question, text), balance, abstain_below=floor)

    def _scores(self, question: Question, text: str) -> np.ndarray:
        check_text(text)
        with self._gate.passing():
            scores = self._engine.score(question.messages(text), question.labels)
        return np.array(scores, dtype=np.float64)

    def _balance(self, question: Question, validation: tuple[tuple[str, str], ...]) -> Balance:
        """The labels' prior; that of the last question is cached."""
        known, balance = self._balanced
        if known != (question, validation):
            rows = [(text, question.place(label)) for text, label in validation]
            scores = [self._scores(question, text) for text, _ in rows]
            balance = fit_balance(scores, [place for _, place in rows], len(question.labels))
            self._balanced = ((question, validation), balance)
        return balance

    def close(self) -> None:
        """Stops running answers and frees the model."""
        if self._gate.shut():
            streams = list(self._streams)
            for stream in streams:
                stream.cancel()
            for stream in streams:
                stream.wait(PATIENCE_SECONDS)
            self._engine.close()

"""An artifact, loaded: the verbs that a program calls. Knows engines by their interface alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, overload

import numpy as np

from edgekit.artifact.folder import Artifact, Manifest, read
from edgekit.data.conversation import Reply, Sampling, WhenFull
from edgekit.errors import EdgekitError, UnsupportedTask
from edgekit.runtime.engine import Asked
from edgekit.runtime.isolated import IsolatedChatter, IsolatedClassifier, IsolatedSummarizer
from edgekit.runtime.memory import context_of
from edgekit.runtime.opening import open_engine
from edgekit.tables import ISOLATED
from edgekit.tasks.chat.verbs import ChatStream, ChatVerbs
from edgekit.tasks.classification.answer import Answer
from edgekit.tasks.classification.verbs import ClassifierVerbs
from edgekit.tasks.summarization.chat_reader import ChatBeginner
from edgekit.tasks.summarization.stream import SummaryStream
from edgekit.tasks.summarization.summary import EFFORTS, Effort, Summary, Told
from edgekit.tasks.summarization.verbs import HereBeginner, SummaryVerbs


def load(
    folder: str | os.PathLike[str],
    *,
    threads: int | None = None,
    max_ram: str | None = None,
    isolate: bool = False,
    context: int | None = None,
) -> Model:
    """What `edgekit.load` does; its settings are explained there."""
    artifact = read(Path(folder))
    if threads is not None and threads < 1:
        raise EdgekitError(f"A model cannot run on {threads} threads; give 1 or more.")
    asked = Asked(threads=threads, max_ram=max_ram, context=context)
    return Model(artifact.manifest, _verbs(artifact, asked, isolate=isolate))


Verbs = ClassifierVerbs | ChatVerbs | SummaryVerbs


def _verbs(artifact: Artifact, asked: Asked, *, isolate: bool) -> Verbs:
    manifest = artifact.manifest
    if manifest.task == "chat":
        context_of(manifest, asked.context)
        return ChatVerbs(manifest, IsolatedChatter(artifact, asked))
    if asked.context is not None:
        raise UnsupportedTask(
            f"'{manifest.name}' is a {manifest.task} artifact without a context; leave it out."
        )
    apart = isolate or manifest.model.format in ISOLATED
    if manifest.task == "summarization":
        if apart:
            return SummaryVerbs(manifest, IsolatedSummarizer(artifact, asked))
        summarizer: Any = open_engine(artifact, asked)
        return SummaryVerbs(manifest, HereBeginner(summarizer))
    if apart:
        return ClassifierVerbs(manifest, IsolatedClassifier(artifact, asked))
    engine: Any = open_engine(artifact, asked)
    return ClassifierVerbs(manifest, engine)


class Model:
    """Answers from one artifact. Safe to use from several threads; close it, or use `with`."""

    def __init__(self, manifest: Manifest, verbs: Verbs) -> None:
        self.manifest = manifest
        self._verbs = verbs

    @overload
    def classify(  # type: ignore[overload-overlap]
        self,
        texts: str,
        *,
        abstain_below: float | None = None,
        labels: Sequence[str] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        validation: Sequence[tuple[str, str]] = (),
        instruction: str | None = None,
    ) -> Answer: ...

    @overload
    def classify(
        self,
        texts: Iterable[str],
        *,
        abstain_below: float | None = None,
        labels: Sequence[str] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        validation: Sequence[tuple[str, str]] = (),
        instruction: str | None = None,
    ) -> Generator[Answer, None, None]: ...

    def classify(
        self,
        texts: str | Iterable[str],
        *,
        abstain_below: float | None = None,
        labels: Sequence[str] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        validation: Sequence[tuple[str, str]] = (),
        instruction: str | None = None,
    ) -> Answer | Generator[Answer, None, None]:
        """The label of a text with its scores; for an iterable an iterator of these, in order.

        The iterator is lazy and reads a few texts ahead, so that the iterable may be endless;
        closing it stops the work. `abstain_below` stands in for the artifact's own. A text longer
        than a classifier's window is read in parts, whose mean decides, and `parts` counts them.

        A chat model is told the `labels` to choose from, and scores how likely each would be its
        answer. `examples` are texts with their labels that it is shown; `validation` are further
        ones, on which the labels' general likeliness is measured and taken out where that helps;
        `instruction` stands in for the sentence that says what to do.
        """
        if isinstance(self._verbs, ChatVerbs):
            return self._verbs.classify(
                texts,
                abstain_below=abstain_below,
                labels=labels,
                examples=examples,
                validation=validation,
                instruction=instruction,
            )
        classifier = self._classifier("classify")
        if labels is not None or examples or validation or instruction is not None:
            raise UnsupportedTask(
                f"'{self.manifest.name}' is a classifier with labels of its own "
                f"({', '.join(self.manifest.labels)}); labels, examples, validation and "
                "instruction are for chat artifacts."
            )
        return classifier.classify(texts, abstain_below=abstain_below)

    @overload
    def chat(
        self,
        messages: Iterable[Mapping[str, Any]],
        *,
        stream: Literal[True],
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        when_full: WhenFull = "error",
    ) -> ChatStream: ...

    @overload
    def chat(
        self,
        messages: Iterable[Mapping[str, Any]],
        *,
        stream: Literal[False] = False,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        when_full: WhenFull = "error",
    ) -> Reply: ...

    def chat(
        self,
        messages: Iterable[Mapping[str, Any]],
        *,
        stream: bool = False,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        when_full: WhenFull = "error",
    ) -> ChatStream | Reply:
        """The answer to a conversation of OpenAI-style messages, whole or as it is made.

        With `stream` an iterator of pieces of text, whose `cancel()` stops the model at once. The
        same `seed` gives the same answer again. A conversation that is too long for the model's
        context raises ContextOverflow, or its oldest turns are left out and named in `dropped`
        (`when_full="drop_oldest"`). Raises DataError for messages that are none.
        """
        asked = Sampling(max_tokens, temperature, top_p, seed)
        begun = self._chat_verbs("chat").chat(messages, asked, when_full=when_full)
        return begun if stream else begun.reply()

    def extract(
        self,
        text: str,
        *,
        schema: Mapping[str, Any] | type,
        instruction: str | None = None,
        max_tokens: int = 1024,
    ) -> Any:
        """The fields of a text, by a JSON Schema (a dict comes back) or a dataclass (one does).

        The model can write nothing that does not fit the schema. Raises DataError for a schema
        that cannot be followed to the letter, and for an answer that would not end.
        """
        return self._chat_verbs("extract").extract(
            text, schema=schema, instruction=instruction, max_tokens=max_tokens
        )

    @overload
    def logits(self, texts: str) -> np.ndarray: ...  # type: ignore[overload-overlap]

    @overload
    def logits(self, texts: Iterable[str]) -> Generator[np.ndarray, None, None]: ...

    def logits(self, texts: str | Iterable[str]) -> np.ndarray | Generator[np.ndarray, None, None]:
        """What `classify` decides by: float32 of shape (labels,), before the temperature."""
        if isinstance(self._verbs, ChatVerbs):
            raise UnsupportedTask(
                f"'{self.manifest.name}' is a chat artifact and has no labels of its own; "
                "classify with labels=[…]."
            )
        return self._classifier("give logits").logits(texts)

    @overload
    def summarize(
        self,
        text: str,
        *,
        words: int | None = None,
        effort: Effort = "default",
        embedder: Model | None = None,
        stream: Literal[True],
        kept: str | os.PathLike[str] | None = None,
        on_told: Callable[[Told], None] = ...,
    ) -> SummaryStream: ...

    @overload
    def summarize(
        self,
        text: str,
        *,
        words: int | None = None,
        effort: Effort = "default",
        embedder: Model | None = None,
        stream: Literal[False] = False,
        kept: str | os.PathLike[str] | None = None,
        on_told: Callable[[Told], None] = ...,
    ) -> Summary: ...

    def summarize(
        self,
        text: str,
        *,
        words: int | None = None,
        effort: Effort = "default",
        embedder: Model | None = None,
        stream: bool = False,
        kept: str | os.PathLike[str] | None = None,
        on_told: Callable[[Told], None] = lambda told: None,
    ) -> Summary | SummaryStream:
        """A text of any length in about so many words, whole or as it is made.

        All of the text is read, in parts where it is long, and `parts_read` counts them. With
        `stream` an iterator of pieces of the summary, whose `cancel()` stops the model and gives
        back what was read until then. `kept` is a file for what was made of each part, with which
        a killed run goes on. With `effort="fast"` an `embedder`, a loaded extractive summarizer,
        reads all of it first, and the model only what that holds for the most important.
        """
        verbs = self._summarizer()
        begun = verbs.summarize(
            text,
            words=words,
            kept=None if kept is None else os.fspath(kept),
            on_told=on_told,
            first=self._first(verbs, effort, embedder),
        )
        return begun if stream else begun.summary()

    def close(self) -> None:
        """Frees the model; waits for calls that run, and later ones raise WorkerError."""
        self._verbs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _first(
        self, verbs: SummaryVerbs, effort: Effort, embedder: Model | None
    ) -> SummaryVerbs | None:
        """Who reads a text before this model does, if anybody."""
        if effort not in EFFORTS:
            raise EdgekitError(f"effort is one of {', '.join(EFFORTS)}, not '{effort}'.")
        if (effort == "fast") != (embedder is not None):
            raise EdgekitError(
                "effort='fast' and an embedder belong together: the embedder, a loaded extractive "
                "summarizer, reads the whole text first; give both or neither."
            )
        if embedder is None:
            return None
        first = embedder._summarizer()
        if verbs.extracts or not first.extracts:
            raise UnsupportedTask(
                f"'{embedder.manifest.name}' cannot choose sentences for '{self.manifest.name}': "
                "an extractive summarizer chooses for a model that writes."
            )
        return first

    def _classifier(self, verb: str) -> ClassifierVerbs:
        if not isinstance(self._verbs, ClassifierVerbs):
            raise UnsupportedTask(
                f"'{self.manifest.name}' is a {self.manifest.task} artifact, which cannot {verb}; "
                "load a classifier."
            )
        return self._verbs

    def _summarizer(self) -> SummaryVerbs:
        if isinstance(self._verbs, SummaryVerbs):
            return self._verbs
        if isinstance(self._verbs, ChatVerbs):
            return SummaryVerbs(self.manifest, ChatBeginner(self._verbs, self.manifest))
        raise UnsupportedTask(
            f"'{self.manifest.name}' is a {self.manifest.task} artifact, which cannot summarize; "
            "load a summarizer or a chat artifact."
        )

    def _chat_verbs(self, verb: str) -> ChatVerbs:
        if not isinstance(self._verbs, ChatVerbs):
            raise UnsupportedTask(
                f"'{self.manifest.name}' is a {self.manifest.task} artifact, which cannot {verb}; "
                "load a chat artifact."
            )
        return self._verbs

"""A loaded artifact: the verbs that a program calls. Knows engines only by their interface."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, overload

import numpy as np

from edgekit.artifact.folder import Artifact, Manifest, read
from edgekit.data.conversation import Reply, Sampling, WhenFull
from edgekit.data.inputs import Input, Pair
from edgekit.errors import EdgekitError, UnsupportedTask
from edgekit.runtime.engine import Asked
from edgekit.system.cancel import Cancel
from edgekit.tables import task_part
from edgekit.tasks.chat.stream import ChatStream
from edgekit.tasks.classification.answer import Answer
from edgekit.tasks.summarization.stream import SummaryStream
from edgekit.tasks.summarization.summary import EFFORTS, Effort, Summary, Told
from edgekit.tasks.translation.translated import Told as Part
from edgekit.tasks.translation.translated import Translation


def load(
    folder: str | os.PathLike[str],
    *,
    threads: int | None = None,
    max_ram: str | None = None,
    isolate: bool = False,
    context: int | None = None,
) -> Model:
    """What `edgekit.load` does; its settings are explained there."""
    if threads is not None and threads < 1:
        raise EdgekitError(f"A model cannot run on {threads} threads; give 1 or more.")
    asked = Asked(threads=threads, max_ram=max_ram, context=context)
    return open_model(read(Path(folder)), asked, isolate=isolate)


def open_model(artifact: Artifact, asked: Asked, *, isolate: bool = False) -> Model:
    """The model of an artifact whose manifest was read."""
    open_verbs = task_part(artifact.manifest.task, "verbs").open_verbs
    return Model(artifact.manifest, open_verbs(artifact, asked, isolate=isolate))


# Which tasks have a verb, for the error that is raised where a task lacks it.
_ABLE = {
    "classify": "a classifier",
    "logits": "a classifier; a chat artifact answers classify(…, labels=[…])",
    "chat": "a chat artifact",
    "extract": "a chat artifact",
    "count": "a chat artifact",
    "summarize": "a summarizer or a chat artifact",
    "embed": "an extractive summarizer",
    "translate": "a translator",
}


class Model:
    """Answers from one artifact. Safe to use from several threads; close it, or use `with`."""

    def __init__(self, manifest: Manifest, verbs: Any) -> None:
        self.manifest = manifest
        self.verbs = verbs
        """The verbs of the artifact's task, named as in its verbs.py; the methods here call
        them."""

    @overload
    def classify(  # type: ignore[overload-overlap]
        self,
        texts: str | Pair,
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
        texts: Iterable[Input],
        *,
        abstain_below: float | None = None,
        labels: Sequence[str] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        validation: Sequence[tuple[str, str]] = (),
        instruction: str | None = None,
    ) -> Generator[Answer, None, None]: ...

    def classify(
        self,
        texts: Input | Iterable[Input],
        *,
        abstain_below: float | None = None,
        labels: Sequence[str] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        validation: Sequence[tuple[str, str]] = (),
        instruction: str | None = None,
    ) -> Answer | Generator[Answer, None, None]:
        """The label of a text and its scores; for an iterable, an iterator of these in order.

        An artifact for pairs is given a tuple of two texts in place of each text, such as a premise
        and a hypothesis; a window then holds all of the first and a part of the second.

        The iterator is lazy and reads a few texts ahead, so the iterable may be endless; closing
        it stops the work. `abstain_below` overrides the artifact's own. A text longer than a
        classifier's window is read in parts, whose mean decides; `parts` counts them.

        A chat model needs the `labels` to choose from, and scores how likely it would be to answer
        with each. `examples` are texts with their labels that go into the prompt; `validation` are
        further ones, on which the prior of each label is measured, and removed where that helps;
        `instruction` replaces the sentence that says what to do.
        """
        found: Answer | Generator[Answer, None, None] = self._able("classify")(
            texts,
            abstain_below=abstain_below,
            labels=labels,
            examples=examples,
            validation=validation,
            instruction=instruction,
        )
        return found

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
        begun: str = "",
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
        begun: str = "",
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
        begun: str = "",
    ) -> ChatStream | Reply:
        """The answer to a conversation of OpenAI-style messages, whole or while it is made.

        With `stream`, an iterator of pieces of text whose `cancel()` stops the model at once. The
        same `seed` gives the same answer again. A conversation that is too long for the model's
        context raises ContextOverflow, or with `when_full="drop_oldest"` loses its oldest turns,
        which `dropped` lists. `begun` is the beginning of an answer that was cut: the model goes on
        from there, and the reply is what follows. Raises DataError for malformed messages.
        """
        asked = Sampling(max_tokens, temperature, top_p, seed, when_full, begun=begun)
        answer: ChatStream = self._able("chat")(messages, asked)
        return answer if stream else answer.reply()

    def count(self, prompt: str | Sequence[Mapping[str, str]]) -> int:
        """The tokens that a chat model reads of a text, or of a conversation up to its answer."""
        return int(self._able("count")(prompt))

    def extract(
        self,
        text: str,
        *,
        schema: Mapping[str, Any] | type,
        instruction: str | None = None,
        max_tokens: int = 1024,
    ) -> Any:
        """The fields of a text, as a dict for a JSON Schema or as an instance of a dataclass.

        The model can only write what fits the schema. Raises DataError for a schema that cannot be
        enforced exactly, and for an answer that does not end.
        """
        return self._able("extract")(
            text, schema=schema, instruction=instruction, max_tokens=max_tokens
        )

    @overload
    def logits(self, texts: str | Pair) -> np.ndarray: ...  # type: ignore[overload-overlap]

    @overload
    def logits(self, texts: Iterable[Input]) -> Generator[np.ndarray, None, None]: ...

    def logits(
        self, texts: Input | Iterable[Input]
    ) -> np.ndarray | Generator[np.ndarray, None, None]:
        """The logits that `classify` decides by: float32 of shape (labels,), before temperature."""
        found: np.ndarray | Generator[np.ndarray, None, None] = self._able("logits")(texts)
        return found

    def embed(self, texts: str | Sequence[str]) -> np.ndarray:
        """The directions of texts: float32 of shape (width,), or (texts, width) for several.

        Each has length 1, so that the dot product of two is their cosine: how alike they are. A
        text longer than the model's window is read in parts, whose mean is taken.
        """
        found: np.ndarray = self._able("embed")(texts)
        return found

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
        """A text of any length in about that many words, whole or while it is made.

        All of the text is read, in parts where it is long; `parts_read` counts them. With `stream`,
        an iterator of pieces of the summary whose `cancel()` stops the model and returns a summary
        of what was read until then. `kept` is a file for the notes on each part, from which a
        killed run resumes. With `effort="fast"` an `embedder`, a loaded extractive summarizer,
        reads all of it first, and the model only the sentences that it ranks highest.
        """
        begun: SummaryStream = self._able("summarize")(
            text,
            words=words,
            kept=None if kept is None else os.fspath(kept),
            on_told=on_told,
            first=self._first(effort, embedder),
        )
        return begun if stream else begun.summary()

    def translate(
        self,
        text: str,
        *,
        to: str | None = None,
        from_: str | None = None,
        on_told: Callable[[Part], None] = lambda told: None,
        cancel: Cancel | None = None,
    ) -> Translation:
        """A text of any length in the language `to`, such as "fr", in its own lines.

        It is translated sentence by sentence; `parts` counts them, and `on_told` is called after
        each. `to` may be left out where the model knows one target; `from_` where it knows one
        source, or where the text itself says which it is in. Another thread that sets `cancel`
        stops it after the current sentence. Raises EdgekitError for a language that the model does
        not know.
        """
        found: Translation = self._able("translate")(
            text, to=to, from_=from_, on_told=on_told, cancel=cancel
        )
        return found

    def close(self) -> None:
        """Frees the model once running calls have ended; later calls raise WorkerError."""
        self.verbs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _first(self, effort: Effort, embedder: Model | None) -> Any:
        """The verbs of the model that reads a text before this one; None where there is none."""
        if effort not in EFFORTS:
            raise EdgekitError(f"effort is one of {', '.join(EFFORTS)}, not '{effort}'.")
        if (effort == "fast") != (embedder is not None):
            raise EdgekitError(
                "effort='fast' and an embedder belong together: the embedder, a loaded extractive "
                "summarizer, reads the whole text first; give both or neither."
            )
        if embedder is None:
            return None
        embedder._able("summarize")
        if self.verbs.extracts or not embedder.verbs.extracts:
            raise UnsupportedTask(
                f"'{embedder.manifest.name}' cannot choose sentences for '{self.manifest.name}': "
                "an extractive summarizer chooses for a model that writes."
            )
        return embedder.verbs

    def _able(self, verb: str) -> Callable[..., Any]:
        """The task's method for `verb`; raises UnsupportedTask where it has none."""
        found: Callable[..., Any] | None = getattr(self.verbs, verb, None)
        if found is None:
            said = "give logits" if verb == "logits" else verb
            raise UnsupportedTask(
                f"'{self.manifest.name}' is a {self.manifest.task} artifact, which cannot {said}; "
                f"load {_ABLE[verb]}."
            )
        return found

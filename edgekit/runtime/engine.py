"""What a model does for the runtime, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from edgekit.artifact.manifest import Manifest
from edgekit.data.conversation import Message, Reply, Sampling, WhenFull
from edgekit.errors import ArtifactError
from edgekit.runtime.cancel import Cancel
from edgekit.tasks.summarization.summary import Summary, Told, Wanted


@dataclass(frozen=True, slots=True)
class Asked:
    """What a program asks of a model that it loads."""

    threads: int | None = None
    max_ram: str | None = None
    """Such as "1.5GB": what the model may need at most."""
    context: int | None = None
    """Tokens that a chat model remembers."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Engine(Protocol):
    """A model that is ready to answer, of any task."""

    @property
    def version(self) -> str:
        """The packages whose versions decide what is answered."""

    def close(self) -> None:
        """Frees everything; nothing is running any more."""


class Classifier(Engine, Protocol):
    """Safe to call from several threads."""

    @property
    def workers(self) -> int:
        """How many texts to run at the same time, where there are many."""

    def logits(self, text: str, *, alone: bool) -> tuple[np.ndarray, int]:
        """Logits of shape (labels,), float32, and the number of windows the text was read in.

        `alone` says that no other text is run beside this one, so that it may use more threads.
        """


class Writer(Engine, Protocol):
    """Writes texts, token by token."""

    def first_tokens(self, prompt: str | Sequence[Message], count: int) -> list[int]:
        """The likeliest tokens of an answer."""


class Embedder(Engine, Protocol):
    """Turns texts into vectors, whose cosines say how alike they are; safe in several threads."""

    def embed(self, text: str) -> np.ndarray:
        """Float32 of shape (width,)."""


class Chatter(Writer, Protocol):
    """Answers one request after the other."""

    @property
    def context(self) -> int:
        """Tokens that it remembers."""

    def chat(
        self,
        messages: Sequence[Message],
        asked: Sampling,
        *,
        when_full: WhenFull,
        grammar: str | None,
        on_piece: Callable[[str], None],
        cancel: Cancel,
    ) -> Reply:
        """An answer, told in pieces while it is made; within a grammar (GBNF), if one is given."""

    def score(
        self, messages: Sequence[Message], answers: Sequence[str], cancel: Cancel
    ) -> list[float]:
        """The log-probability of each of these answers, in nats."""

    def count(self, prompt: str | Sequence[Message]) -> int:
        """The tokens of a text, or of a conversation up to where the answer begins."""


class Summarizer(Protocol):
    """Shortens a text that fits into its window; tasks/summarization/parts.py makes it fit."""

    @property
    def window(self) -> int:
        """Tokens of text that it reads at once; all else that it must be told does not count."""

    def count(self, text: str) -> int:
        """The tokens of a text, special ones apart; all that is counted is compared to `window`."""

    def shorten(self, text: str, *, words: int, on_piece: Callable[[str], None]) -> str:
        """The text in about so many words, told in pieces of whole characters while it is made.

        `on_piece` raises Cancelled where somebody stopped it; that is let through.
        """


class SummaryEngine(Engine, Protocol):
    """Summarizes texts of any length, one after the other."""

    def summarize(
        self, text: str, wanted: Wanted, *, tell: Callable[[Told], None], cancel: Cancel
    ) -> Summary:
        """A summary of all of a text. Where it is cancelled: of what was read until then."""


def run(
    engine: Classifier, manifest: Manifest, text: str, *, alone: bool
) -> tuple[np.ndarray, int]:
    """`engine.logits`, one for each label; a model with others would answer anything."""
    logits, parts = engine.logits(text, alone=alone)
    if logits.shape != (len(manifest.labels),):
        raise ArtifactError(
            f"The model '{manifest.name}' gives {logits.size} scores for "
            f"{len(manifest.labels)} labels; build it again."
        )
    return logits, parts

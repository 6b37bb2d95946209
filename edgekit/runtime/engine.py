"""What a model does for the runtime, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from edgekit.artifact.manifest import Manifest
from edgekit.data.conversation import Message, Reply, Sampling, WhenFull
from edgekit.errors import UnsupportedTask
from edgekit.system.cancel import Cancel


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

    def refuse_context(self, manifest: Manifest) -> None:
        """Raises UnsupportedTask where a context is asked of a model that has none."""
        if self.context is not None:
            raise UnsupportedTask(
                f"'{manifest.name}' is a {manifest.task} artifact without a context; leave it out."
            )


class Engine(Protocol):
    """A model that is ready to answer, of any task."""

    @property
    def version(self) -> str:
        """The packages whose versions decide what is answered."""

    def close(self) -> None:
        """Frees everything; nothing is running any more."""


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

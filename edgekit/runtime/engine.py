"""The interfaces of a loaded model, in this process or in a worker. Runs nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from edgekit.artifact.manifest import Manifest
from edgekit.data.conversation import Message
from edgekit.errors import UnsupportedTask


@dataclass(frozen=True, slots=True)
class Asked:
    """The settings that a program loads a model with."""

    threads: int | None = None
    max_ram: str | None = None
    """The most memory that the model may need, such as "1.5GB"."""
    context: int | None = None
    """Tokens that a chat model remembers."""
    shared: bool = False
    """Whether many processes load the same files: these are hashed once on a machine, whatever
    their size, and what can be is mapped, so that it is in memory once."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def refuse_context(self, manifest: Manifest) -> None:
        """Raises UnsupportedTask if a context is asked of a model that has none."""
        if self.context is not None:
            raise UnsupportedTask(
                f"'{manifest.name}' is a {manifest.task} artifact without a context; leave it out."
            )


class Engine(Protocol):
    """A model of any task that is ready to answer."""

    @property
    def version(self) -> str:
        """The packages whose versions the answers depend on."""

    def close(self) -> None:
        """Frees everything; called when nothing is running any more."""


@runtime_checkable
class Probed(Protocol):
    """An engine whose tables could be smaller than its tokenizer and its window say."""

    def probe(self) -> None:
        """Runs the longest window and every added token; ArtifactError where the model fails."""


class Writer(Engine, Protocol):
    """Writes texts, token by token."""

    def first_tokens(self, prompt: str | Sequence[Message], count: int) -> list[int]:
        """The likeliest tokens of an answer."""


class Embedder(Engine, Protocol):
    """Turns texts into vectors whose cosines say how similar they are; thread-safe."""

    def embed(self, text: str) -> np.ndarray:
        """Float32 of shape (width,)."""

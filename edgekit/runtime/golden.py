"""The self-test on the user's machine: inputs, and the answers they must give. Knows no task."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from edgekit.artifact.manifest import Manifest
from edgekit.data.conversation import Message
from edgekit.data.inputs import Input
from edgekit.errors import ArtifactError
from edgekit.runtime import refusals
from edgekit.runtime.engine import Embedder, Writer
from edgekit.tables import task_part

GOLDEN = "golden.json"
# The package that runs a format: another version of it may round differently.
ENGINES = {"gguf": "llama-cpp-python", "onnx": "onnxruntime"}

T = TypeVar("T")


class Golden(Protocol):
    """The golden answers of one artifact, as a task's golden.py reads them."""

    def texts(self) -> Sequence[Input]:
        """The inputs that are plain texts, or pairs of them."""

    def check(self, engine: Any, manifest: Manifest) -> int:
        """Runs every input and returns their number; ArtifactError for the first wrong answer."""


def read(data: bytes, manifest: Manifest) -> Golden:
    """The golden answers from an artifact's file; raises ArtifactError."""
    golden: Golden = task_part(manifest.task, "golden").read(data, manifest)
    return golden


def parse(data: bytes, make: Callable[[Any], T]) -> T:
    """What `make` makes of `{"inputs": […], "answers": […], …}`; raises ArtifactError."""
    try:
        value = json.loads(data)
        golden, inputs, answers = make(value), len(value["inputs"]), len(value["answers"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"{GOLDEN}: this is not a list of inputs and answers ({error!r}); build the artifact "
            "again."
        ) from error
    if not inputs or inputs != answers:
        raise ArtifactError(
            f"{GOLDEN}: there must be an answer for each input, and one at least; "
            "build the artifact again."
        )
    return golden


def wrong(manifest: Manifest, number: int, found: str) -> ArtifactError:
    """The error for input `number`, from 0, whose answer differs from that of the build."""
    engine = ENGINES[manifest.model.format]
    version = manifest.lock.get("packages", {}).get(engine)
    told = f" ({version} built it)" if version else ""
    return ArtifactError(
        refusals.told(
            "answers-differ",
            {
                "name": manifest.name,
                "place": number + 1,
                "found": found,
                "engine": engine,
                "among": told,
            },
        )
    )


@dataclass(frozen=True, slots=True)
class GoldenTokens:
    """For generative models: the first tokens of the likeliest answers, while these are clear."""

    prompts: tuple[str | Sequence[Message], ...]
    """Conversations, or plain texts to continue."""
    tokens: tuple[tuple[int, ...], ...]

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> GoldenTokens:
        """From `{"inputs": [messages or a text, …], "answers": [{"tokens": […]}]}`."""
        return cls(
            prompts=tuple(
                prompt
                if isinstance(prompt, str)
                else tuple(
                    {"role": str(message["role"]), "content": str(message["content"])}
                    for message in prompt
                )
                for prompt in value["inputs"]
            ),
            tokens=tuple(
                tuple(int(token) for token in entry["tokens"]) for entry in value["answers"]
            ),
        )

    def texts(self) -> list[str]:
        return [prompt for prompt in self.prompts if isinstance(prompt, str)]

    def check(self, engine: Writer, manifest: Manifest) -> int:
        for number, (prompt, wanted) in enumerate(zip(self.prompts, self.tokens, strict=True)):
            found = tuple(engine.first_tokens(prompt, len(wanted))) if wanted else ()
            if found != wanted:
                told = f"tokens {list(found)} instead of {list(wanted)}"
                raise wrong(manifest, number, told)
        return len(self.prompts)


@dataclass(frozen=True, slots=True)
class GoldenVectors:
    """For encoders: the texts' vectors."""

    inputs: tuple[str, ...]
    vectors: tuple[tuple[float, ...], ...]
    tolerance: float
    """How far a cosine may fall short of 1."""

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> GoldenVectors:
        """From `{"inputs": […], "answers": [{"vector": […]}], "tolerance": …}`."""
        return cls(
            inputs=tuple(str(text) for text in value["inputs"]),
            vectors=tuple(
                tuple(float(number) for number in entry["vector"]) for entry in value["answers"]
            ),
            tolerance=float(value["tolerance"]),
        )

    def texts(self) -> list[str]:
        return list(self.inputs)

    def check(self, engine: Embedder, manifest: Manifest) -> int:
        for number, (text, wanted) in enumerate(zip(self.inputs, self.vectors, strict=True)):
            found = engine.embed(text)
            near = _cosine(found, np.array(wanted)) if found.shape == (len(wanted),) else -1.0
            if not near >= 1 - self.tolerance:
                told = f"a cosine of {near:.3f} to the vector that it gave"
                raise wrong(manifest, number, told)
        return len(self.inputs)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / max(1e-12, float(np.linalg.norm(one) * np.linalg.norm(other))))

"""The self-test on the user's machine: inputs and the answers that the model must give to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from edgekit.artifact.manifest import Manifest
from edgekit.data.conversation import Message
from edgekit.errors import ArtifactError
from edgekit.runtime.engine import Classifier, Embedder, Engine, Writer, run
from edgekit.tasks.classification.answer import Answer, answer

GOLDEN = "golden.json"
# What runs a format: another version of it may round otherwise.
_ENGINES = {"gguf": "llama-cpp-python", "onnx": "onnxruntime"}


@dataclass(frozen=True, slots=True)
class GoldenAnswers:
    inputs: tuple[str, ...]
    scores: tuple[Mapping[str, float], ...]
    tolerance: float
    """How far a score may be off; different CPUs round differently."""


@dataclass(frozen=True, slots=True)
class GoldenTokens:
    """Of a model that writes: the first tokens of its likeliest answers, where these were clear."""

    prompts: tuple[str | Sequence[Message], ...]
    """Conversations, or texts that are continued as they stand."""
    tokens: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class GoldenVectors:
    """Of an encoder: the texts' vectors."""

    inputs: tuple[str, ...]
    vectors: tuple[tuple[float, ...], ...]
    tolerance: float
    """By how much a cosine may fall short of 1."""


Golden = GoldenAnswers | GoldenTokens | GoldenVectors


def read(data: bytes, manifest: Manifest) -> Golden:
    """What the golden file of an artifact says; raises ArtifactError."""
    summary = manifest.model.summary
    if summary is not None and summary.engine == "extractive":
        return parse_vectors(data)
    return parse(data) if manifest.task == "classification" else parse_tokens(data)


def parse(data: bytes) -> GoldenAnswers:
    """Reads `{"inputs": […], "answers": [{"label", "scores"}], "tolerance": …}`."""
    try:
        value = json.loads(data)
        golden = GoldenAnswers(
            inputs=tuple(str(text) for text in value["inputs"]),
            scores=tuple(
                {label: float(score) for label, score in entry["scores"].items()}
                for entry in value["answers"]
            ),
            tolerance=float(value["tolerance"]),
        )
    except _UNREADABLE as error:
        raise _unreadable(error) from error
    _check_counts(len(golden.inputs), len(golden.scores))
    return golden


def parse_tokens(data: bytes) -> GoldenTokens:
    """Reads `{"inputs": [messages or a text, …], "answers": [{"tokens": […]}]}`."""
    try:
        value = json.loads(data)
        golden = GoldenTokens(
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
    except _UNREADABLE as error:
        raise _unreadable(error) from error
    _check_counts(len(golden.prompts), len(golden.tokens))
    return golden


def parse_vectors(data: bytes) -> GoldenVectors:
    """Reads `{"inputs": […], "answers": [{"vector": […]}], "tolerance": …}`."""
    try:
        value = json.loads(data)
        golden = GoldenVectors(
            inputs=tuple(str(text) for text in value["inputs"]),
            vectors=tuple(
                tuple(float(number) for number in entry["vector"]) for entry in value["answers"]
            ),
            tolerance=float(value["tolerance"]),
        )
    except _UNREADABLE as error:
        raise _unreadable(error) from error
    _check_counts(len(golden.inputs), len(golden.vectors))
    return golden


_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def _unreadable(error: Exception) -> ArtifactError:
    return ArtifactError(
        f"{GOLDEN}: this is not a list of inputs and answers ({error!r}); build the artifact again."
    )


def _check_counts(inputs: int, answers: int) -> None:
    if not inputs or inputs != answers:
        raise ArtifactError(
            f"{GOLDEN}: there must be an answer for each input, and one at least; "
            "build the artifact again."
        )


def check(engine: Engine, manifest: Manifest, data: bytes) -> int:
    """Runs every input; raises ArtifactError for the first wrong answer. Returns their number."""
    golden = read(data, manifest)
    if isinstance(golden, GoldenTokens):
        return _check_tokens(cast("Writer", engine), manifest, golden)
    if isinstance(golden, GoldenVectors):
        return _check_vectors(cast("Embedder", engine), manifest, golden)
    return _check_answers(cast("Classifier", engine), manifest, golden)


def texts(golden: Golden) -> list[str]:
    """The inputs that are plain texts."""
    inputs = golden.prompts if isinstance(golden, GoldenTokens) else golden.inputs
    return [one for one in inputs if isinstance(one, str)]


def _check_answers(engine: Classifier, manifest: Manifest, golden: GoldenAnswers) -> int:
    for number, text in enumerate(golden.inputs):
        logits, parts = run(engine, manifest, text, alone=True)
        found = answer(logits, manifest.labels, temperature=manifest.model.temperature, parts=parts)
        # Scores alone: labels can then differ only where two are as good as equal.
        if not _near(found, golden.scores[number], golden.tolerance):
            raise ArtifactError(
                f"The model '{manifest.name}' does not answer here as it did where it was built "
                f"(golden input {number + 1}: '{found.label}' at {found.score:.3f} instead of "
                f"{_best(golden.scores[number])}); install another version of onnxruntime, or "
                "build the artifact again."
            )
    return len(golden.inputs)


def _check_vectors(engine: Embedder, manifest: Manifest, golden: GoldenVectors) -> int:
    for number, (text, wanted) in enumerate(zip(golden.inputs, golden.vectors, strict=True)):
        found = engine.embed(text)
        near = _cosine(found, np.array(wanted)) if found.shape == (len(wanted),) else -1.0
        if not near >= 1 - golden.tolerance:
            raise ArtifactError(
                f"The model '{manifest.name}' does not answer here as it did where it was built "
                f"(golden input {number + 1}: a cosine of {near:.3f} to the vector that it gave); "
                "install another version of onnxruntime, or build the artifact again."
            )
    return len(golden.inputs)


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / max(1e-12, float(np.linalg.norm(one) * np.linalg.norm(other))))


def _check_tokens(engine: Writer, manifest: Manifest, golden: GoldenTokens) -> int:
    for number, (prompt, wanted) in enumerate(zip(golden.prompts, golden.tokens, strict=True)):
        found = tuple(engine.first_tokens(prompt, len(wanted))) if wanted else ()
        if found != wanted:
            raise ArtifactError(
                f"The model '{manifest.name}' does not answer here as it did where it was built "
                f"(golden input {number + 1}: tokens {list(found)} instead of {list(wanted)}); "
                f"install another version of {_ENGINES[manifest.model.format]}, or build the "
                "artifact again."
            )
    return len(golden.prompts)


def _near(found: Answer, wanted: Mapping[str, float], tolerance: float) -> bool:
    return found.scores.keys() == wanted.keys() and all(
        abs(found.scores[label] - score) <= tolerance for label, score in wanted.items()
    )


def _best(scores: Mapping[str, float]) -> str:
    label = max(scores, key=lambda name: scores[name], default="nothing")
    return f"'{label}' at {scores.get(label, 0):.3f}"

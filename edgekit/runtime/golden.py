"""The self-test on the user's machine: inputs and the answers that the model must give to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from edgekit.errors import ArtifactError
from edgekit.manifest import Manifest
from edgekit.runtime.engine import Chatter, Classifier, Engine, run
from edgekit.tasks.classification import Answer, answer
from edgekit.tasks.conversation import Message

GOLDEN = "golden.json"


@dataclass(frozen=True, slots=True)
class GoldenAnswers:
    inputs: tuple[str, ...]
    scores: tuple[Mapping[str, float], ...]
    tolerance: float
    """How far a score may be off; different CPUs round differently."""


@dataclass(frozen=True, slots=True)
class GoldenTokens:
    """Of a chat model: the first tokens of its likeliest answers, as far as they were clear."""

    prompts: tuple[str | Sequence[Message], ...]
    """Conversations, or texts that are continued as they stand."""
    tokens: tuple[tuple[int, ...], ...]


def read(data: bytes, task: str) -> GoldenAnswers | GoldenTokens:
    """What the golden file of an artifact says; raises ArtifactError."""
    return parse_tokens(data) if task == "chat" else parse(data)


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
    golden = read(data, manifest.task)
    if isinstance(golden, GoldenTokens):
        return _check_tokens(cast("Chatter", engine), manifest, golden)
    return _check_answers(cast("Classifier", engine), manifest, golden)


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


def _check_tokens(engine: Chatter, manifest: Manifest, golden: GoldenTokens) -> int:
    for number, (prompt, wanted) in enumerate(zip(golden.prompts, golden.tokens, strict=True)):
        found = tuple(engine.first_tokens(prompt, len(wanted))) if wanted else ()
        if found != wanted:
            raise ArtifactError(
                f"The model '{manifest.name}' does not answer here as it did where it was built "
                f"(golden input {number + 1}: tokens {list(found)} instead of {list(wanted)}); "
                "install another version of llama-cpp-python, or build the artifact again."
            )
    return len(golden.prompts)


def _near(found: Answer, wanted: Mapping[str, float], tolerance: float) -> bool:
    return found.scores.keys() == wanted.keys() and all(
        abs(found.scores[label] - score) <= tolerance for label, score in wanted.items()
    )


def _best(scores: Mapping[str, float]) -> str:
    label = max(scores, key=lambda name: scores[name], default="nothing")
    return f"'{label}' at {scores.get(label, 0):.3f}"

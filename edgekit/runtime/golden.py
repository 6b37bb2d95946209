"""The self-test on the user's machine: texts and the answers that the model must give to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.errors import ArtifactError
from edgekit.manifest import Manifest
from edgekit.runtime.engine import Engine, run
from edgekit.tasks.classification import Answer, answer

GOLDEN = "golden.json"


@dataclass(frozen=True, slots=True)
class GoldenAnswers:
    inputs: tuple[str, ...]
    scores: tuple[Mapping[str, float], ...]
    tolerance: float
    """How far a score may be off; different CPUs round differently."""


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
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"{GOLDEN}: this is not a list of inputs and answers ({error!r}); "
            "build the artifact again."
        ) from error
    if not golden.inputs or len(golden.inputs) != len(golden.scores):
        raise ArtifactError(
            f"{GOLDEN}: there must be an answer for each input, and one at least; "
            "build the artifact again."
        )
    return golden


def check(engine: Engine, manifest: Manifest, golden: GoldenAnswers) -> int:
    """Runs every input; raises ArtifactError for the first wrong answer. Returns their number."""
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


def _near(found: Answer, wanted: Mapping[str, float], tolerance: float) -> bool:
    return found.scores.keys() == wanted.keys() and all(
        abs(found.scores[label] - score) <= tolerance for label, score in wanted.items()
    )


def _best(scores: Mapping[str, float]) -> str:
    label = max(scores, key=lambda name: scores[name], default="nothing")
    return f"'{label}' at {scores.get(label, 0):.3f}"

"""The self-test of a classifier: texts, and the scores that it must give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.artifact.manifest import Manifest
from edgekit.data.inputs import Input, from_json
from edgekit.errors import ArtifactError
from edgekit.runtime import golden
from edgekit.tasks.classification.answer import Answer, answer
from edgekit.tasks.classification.engine import Classifier, run
from edgekit.tasks.classification.recorded import of_model


@dataclass(frozen=True, slots=True)
class GoldenScores:
    inputs: tuple[Input, ...]
    scores: tuple[Mapping[str, float], ...]
    tolerance: float
    """How far a score may be off; different CPUs round differently."""

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> GoldenScores:
        """From `{"inputs": […], "answers": [{"label", "scores"}], "tolerance": …}`."""
        return cls(
            inputs=tuple(map(from_json, value["inputs"])),
            scores=tuple(
                {label: float(score) for label, score in entry["scores"].items()}
                for entry in value["answers"]
            ),
            tolerance=float(value["tolerance"]),
        )

    def texts(self) -> list[Input]:
        return list(self.inputs)

    def check(self, engine: Classifier, manifest: Manifest) -> int:
        labels, scoring = manifest.labels, of_model(manifest.model)
        for number, text in enumerate(self.inputs):
            logits, parts = run(engine, manifest, text, alone=True)
            found = answer(logits, labels, scoring=scoring, parts=parts)
            # Only scores: labels can then differ only if two are practically equal.
            if not _near(found, self.scores[number], self.tolerance):
                raise golden.wrong(manifest, number, _difference(found, self.scores[number]))
        return len(self.inputs)


def read(data: bytes, manifest: Manifest) -> GoldenScores:
    """The golden answers from a classifier's file; raises ArtifactError."""
    found = golden.parse(data, GoldenScores.read)
    if any(isinstance(given, str) is manifest.model.pairs for given in found.inputs):
        wanted = "pairs of texts" if manifest.model.pairs else "texts"
        raise ArtifactError(
            f"{golden.GOLDEN}: the inputs must be {wanted}, as the manifest says; build the "
            "artifact again."
        )
    return found


def _near(found: Answer, wanted: Mapping[str, float], tolerance: float) -> bool:
    return found.scores.keys() == wanted.keys() and all(
        abs(found.scores[label] - score) <= tolerance for label, score in wanted.items()
    )


def _difference(found: Answer, wanted: Mapping[str, float]) -> str:
    """The score that is furthest from what it was, whichever label is the best."""
    if found.scores.keys() != wanted.keys():
        return f"the labels {', '.join(found.scores)} instead of {', '.join(wanted)}"
    label = max(wanted, key=lambda name: abs(found.scores[name] - wanted[name]))
    return f"'{label}' has {found.scores[label]:.4f} instead of {wanted[label]:.4f}"

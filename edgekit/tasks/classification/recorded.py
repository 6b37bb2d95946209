"""How an artifact's logits become answers, as its manifest records it. Opens no file."""

from __future__ import annotations

from edgekit.artifact.manifest import ModelSpec
from edgekit.runtime.scoring import LabelSet, OneLabel, Scoring


def of_model(spec: ModelSpec) -> Scoring:
    """The artifact's."""
    if spec.thresholds is None:
        return OneLabel(spec.temperature)
    return LabelSet(spec.thresholds.labels)


def of_teacher(spec: ModelSpec) -> Scoring:
    """Its teacher's, which nothing calibrates."""
    return OneLabel() if spec.thresholds is None else LabelSet(spec.thresholds.teacher)

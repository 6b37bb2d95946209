"""The self-test of a summarizer: texts, and their vectors or the tokens of their summaries."""

from __future__ import annotations

from edgekit.artifact.manifest import Manifest
from edgekit.runtime import golden


def read(data: bytes, manifest: Manifest) -> golden.Golden:
    """The golden answers from a summarizer's file; raises ArtifactError."""
    spec = manifest.model.summary
    if spec is not None and spec.engine == "extractive":
        return golden.parse(data, golden.GoldenVectors.read)
    return golden.parse(data, golden.GoldenTokens.read)

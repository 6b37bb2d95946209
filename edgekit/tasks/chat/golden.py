"""The self-test of a chat model: prompts, and the tokens that its answers begin with."""

from __future__ import annotations

from edgekit.artifact.manifest import Manifest
from edgekit.runtime import golden


def read(data: bytes, manifest: Manifest) -> golden.GoldenTokens:
    """What the golden file of a chat model says; raises ArtifactError."""
    return golden.parse(data, golden.GoldenTokens.read)

"""The self-test of a chat model: prompts, and the tokens that its answers begin with."""

from __future__ import annotations

from edgekit.artifact.manifest import Manifest
from edgekit.runtime import golden


def read(data: bytes, manifest: Manifest) -> golden.GoldenTokens:
    """The golden answers from a chat model's file; raises ArtifactError."""
    return golden.parse(data, golden.GoldenTokens.read)

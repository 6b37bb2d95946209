"""Opens the engine that an artifact's manifest names."""

from __future__ import annotations

from edgekit.artifact import Artifact
from edgekit.errors import ArtifactError
from edgekit.runtime.engine import Asked, SummaryEngine
from edgekit.runtime.seq2seq.engine import open_seq2seq
from edgekit.runtime.summaries.extractive import open_extractive


def open_summarizer(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> SummaryEngine:
    """Raises ArtifactError for an artifact that cannot summarize."""
    spec = artifact.manifest.model.summary
    if spec is None:
        raise ArtifactError(
            f"The model '{artifact.manifest.name}' does not summarize; build it with task: "
            "summarization."
        )
    if spec.engine == "extractive":
        return open_extractive(artifact, files, asked)
    return open_seq2seq(artifact, files, asked)

"""Opens the engine that an artifact's manifest names."""

from __future__ import annotations

from edgekit.artifact.folder import Artifact
from edgekit.errors import ArtifactError
from edgekit.runtime.engine import Asked
from edgekit.tasks.summarization.engine import Summarizer
from edgekit.tasks.summarization.extractive import open_extractive
from edgekit.tasks.summarization.seq2seq import open_seq2seq


def open_summarizer(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> Summarizer:
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

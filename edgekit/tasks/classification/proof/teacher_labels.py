"""Which of a teacher's logits belong to which label of an artifact. Loads no weights."""

from __future__ import annotations

from pathlib import Path

from edgekit.artifact.manifest import Manifest
from edgekit.checkpoint.describe import describe
from edgekit.errors import CheckpointError
from edgekit.tasks.classification.recorded import of_model


def order(checkpoint: Path, manifest: Manifest) -> list[int]:
    """The numbers of the artifact's labels at the teacher; CheckpointError if it has others."""
    said = describe(checkpoint)
    if said.labels is None or sorted(said.labels) != sorted(manifest.labels):
        raise CheckpointError(
            f"{checkpoint}: its labels ({', '.join(said.labels or ('none',))}) are not those of "
            f"the artifact ({', '.join(manifest.labels)}); name the teacher that it was made from."
        )
    if said.several_labels is not of_model(manifest.model).several:
        raise CheckpointError(
            f"{checkpoint}: by 'problem_type' of config.json one of teacher and artifact gives a "
            "text one label and the other several; name the teacher that it was made from."
        )
    return [said.labels.index(label) for label in manifest.labels]

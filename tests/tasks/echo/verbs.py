"""What a program can ask: to hear a text again."""

from __future__ import annotations

from typing import cast

from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.runtime.engine import Asked
from edgekit.runtime.opening import open_engine
from edgekit.tasks.classification.engine import Classifier


class EchoVerbs:
    def __init__(self, manifest: Manifest, engine: Classifier) -> None:
        self._labels, self._engine = manifest.labels, engine

    def echo(self, text: str) -> str:
        logits, _ = self._engine.logits(text, alone=True)
        return f"{text} [{self._labels[int(logits.argmax())]}]"

    def close(self) -> None:
        self._engine.close()


def open_verbs(artifact: Artifact, asked: Asked, *, isolate: bool) -> EchoVerbs:
    return EchoVerbs(artifact.manifest, cast("Classifier", open_engine(artifact, asked)))

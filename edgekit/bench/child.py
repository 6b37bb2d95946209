"""What a bench measures: one subprocess for each side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.artifact.folder import Artifact
from edgekit.errors import WorkerError
from edgekit.system import child


@dataclass(frozen=True, slots=True)
class SidePlan:
    """One side: what it opens, and its size."""

    module: str
    """The module that runs it: a task's proof/sides.py."""
    name: str
    """A key of the module's SIDES."""
    request: Mapping[str, Any]
    size_bytes: int
    """Size of its weights."""
    folder_bytes: int
    """Size of everything it needs besides its programs."""

    @classmethod
    def of_artifact(
        cls, artifact: Artifact, module: str, name: str, settings: Mapping[str, Any]
    ) -> SidePlan:
        manifest = artifact.manifest
        return cls(
            module,
            name,
            {"folder": artifact.folder, **settings},
            size_bytes=sum(manifest.file(file).size_bytes for file in manifest.model.files),
            folder_bytes=manifest.needs.disk_bytes,
        )


class Child(child.Child):
    """One side's process."""

    def __init__(self, plan: SidePlan) -> None:
        super().__init__(plan.module, self._ended)
        self.plan = plan

    def open(self) -> None:
        self.ask("open", {"side": self.plan.name, "settings": self.plan.request})

    def _ended(self, how: str, said: str) -> WorkerError:
        return WorkerError(f"The side {self.plan.name} of the bench ended ({said or how}).")

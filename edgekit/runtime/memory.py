"""Whether an artifact fits in memory here, judged before any of it is loaded."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit import machine
from edgekit.artifact import Artifact
from edgekit.errors import EdgekitError, OutOfMemoryBudget
from edgekit.manifest import Manifest
from edgekit.units import parse_bytes


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an artifact is and whether this machine has the memory for it now."""

    artifact: Artifact
    available_bytes: int
    """Memory that can be used without swapping."""

    @property
    def manifest(self) -> Manifest:
        return self.artifact.manifest

    @property
    def fits(self) -> bool:
        return self.manifest.needs.ram_bytes <= self.available_bytes


def inspect(artifact: Artifact) -> Inspection:
    return Inspection(artifact=artifact, available_bytes=machine.available_memory_bytes())


def check_memory(artifact: Artifact, *, max_ram: str | None) -> None:
    """Raises OutOfMemoryBudget if the model needs more than there is, or than `max_ram`."""
    name, needed = artifact.manifest.name, artifact.manifest.needs.ram_bytes
    budget = _parse(max_ram) if max_ram is not None else None
    if budget is not None and needed > budget:
        raise OutOfMemoryBudget(
            f"The model '{name}' needs {_megabytes(needed)} of memory and max_ram allows "
            f"{_megabytes(budget)}; raise max_ram or use a smaller artifact."
        )
    available = machine.available_memory_bytes()
    if needed > available:
        raise OutOfMemoryBudget(
            f"The model '{name}' needs {_megabytes(needed)} of memory and {_megabytes(available)} "
            "are free; close other programs or use a smaller artifact."
        )


def _parse(size: str) -> int:
    try:
        return parse_bytes(size)
    except ValueError as error:
        raise EdgekitError(f"max_ram: {error}") from error


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"

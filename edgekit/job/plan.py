"""A recipe with every step bound, checked and estimated. Runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.checkpoint.describe import Description
from edgekit.errors import OutOfDisk, OutOfMemoryBudget
from edgekit.job.cost import Cost
from edgekit.recipe import dataset as data
from edgekit.recipe.recipe import BoundRecipe
from edgekit.system import machine, paths, room
from edgekit.tables import SHARED


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One piece of work and its estimate: a step, an output, or what edgekit does around them."""

    name: str
    cost: Cost


@dataclass(frozen=True)
class Plan:
    """A recipe that was checked, with its cost estimated."""

    bound: BoundRecipe
    description: Description
    dataset: data.Dataset
    out: Path
    model: Path
    adapter: Path | None
    max_tokens: int
    device: str
    layers: int | None
    """For a trial run: the model is cut to this many layers."""
    teacher_before: int
    """The teacher is the checkpoint that enters this step (or the outputs, if past the last)."""
    steps: tuple[PlannedStep, ...]
    notes: tuple[str, ...] = ()
    """What a person should know before anything runs."""

    @property
    def teacher_stands(self) -> bool:
        """The model itself is the teacher and already lies where the teacher goes, from an earlier
        build."""
        return self.model == (self.out / "teacher").resolve()

    @property
    def smoke(self) -> bool:
        return self.layers is not None

    def as_json(self) -> dict[str, Any]:
        why = self.why_not()
        return {
            "recipe": dict(self.bound.document),
            "steps": [
                {
                    "step": step.name,
                    "seconds": round(step.cost.seconds, 1),
                    "peak_bytes": step.cost.peak_bytes,
                    "disk_bytes": step.cost.disk_bytes,
                }
                for step in self.steps
            ],
            "seconds": round(sum(step.cost.seconds for step in self.steps), 1),
            "fits": why is None,
            "why": str(why) if why else None,
            "notes": list(self.notes),
        }

    def why_not(self) -> OutOfDisk | OutOfMemoryBudget | None:
        """What this machine lacks for the plan; None if it has enough."""
        needed = sum(step.cost.disk_bytes for step in self.steps)
        for folder in (paths.store_dir(), self.out):
            free = machine.free_disk_bytes(folder)
            if needed > free:
                return OutOfDisk(
                    f"{folder}: the recipe needs about {needed / 1e9:.1f} GB of disk and "
                    f"{free / 1e9:.1f} GB are free; make room (`edgekit store --clear`) or set "
                    "EDGEKIT_CACHE to a larger disk."
                )
        step = max(self.steps, key=lambda one: one.cost.peak_bytes)
        available = machine.available_memory_bytes()
        if step.cost.peak_bytes > available:
            return OutOfMemoryBudget(
                f"{self.bound.path.name}: '{step.name}' needs about "
                f"{step.cost.peak_bytes / 1e9:.1f} GB of memory and {available / 1e9:.1f} GB are "
                f"available; {_remedy(step)}."
            )
        return None


def _remedy(step: PlannedStep) -> str:
    """What makes room for a step, as far as it can."""
    ways = [room.freeing(step.cost.peak_bytes)]
    if step.name in SHARED:  # the steps that train, in batches
        ways.append("set a smaller batch_size or max_tokens")
    return ", or ".join(way for way in ways if way) or "take a machine with more memory"

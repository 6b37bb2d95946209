"""What a step is told when it runs on a tiny project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.checkpoint.describe import describe
from edgekit.job.job import Job, Make, RunStored
from edgekit.recipe import dataset as data
from edgekit.recipe import recipe
from edgekit.store.store import Finished
from edgekit.system.digest import sha256_folder


def nothing_stored(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
    raise LookupError(f"this step stores no part of its work, and asked for {name}")


def make_job(
    project: Path, checkpoint: Path, out: Path, *, run_stored: RunStored = nothing_stored
) -> Job:
    """The checkpoint is its own teacher; `out` must be there when the step runs."""
    bound = recipe.read(project / "recipe.yaml")
    return Job(
        checkpoint=checkpoint,
        description=describe(checkpoint),
        teacher=checkpoint,
        teacher_digest=sha256_folder(checkpoint),
        out=out,
        recipe=bound.recipe,
        dataset=data.read(bound, labels=None).without_test(),
        max_tokens=64,
        device="cpu",
        common={"prefix": "", "max_tokens": 64, "packages": {}},
        resolve=bound.resolve,
        run_stored=run_stored,
        on_progress=lambda fraction: None,
    )

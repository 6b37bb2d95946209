"""The first piece of a build: a checkpoint without anything that runs code, its adapter merged."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.checkpoint import merging, weights, widths
from edgekit.checkpoint.describe import carry, describe, family_of, read_config, write_json
from edgekit.tables import Family

VERSION = 2
"""Counts up when the same folders give another checkpoint."""


def import_checkpoint(
    source: Path,
    out: Path,
    *,
    adapter: Path | None = None,
    labels: Sequence[str] | None = None,
    layers: int | None = None,
) -> dict[str, Any]:
    """Copies the safe parts of a checkpoint into `out`; returns its description.

    An adapter is merged, and `labels` names those of its head if nothing else does; `layers` keeps
    only the first few layers, for a trial run.
    """
    from edgekit.checkpoint import models  # torch

    family = family_of(read_config(source), source)
    if family is not Family.DECODER and (source / widths.FILE).is_file():
        shutil.copyfile(source / widths.FILE, out / widths.FILE)
    if adapter is not None:
        merging.plan(source, adapter, labels=labels).write(out)
    else:
        write_json(out / "config.json", read_config(source))
        carry(source, out)
        weights.copy(source, out)
    models.check(out)
    description = describe(out)
    if layers is not None:
        models.cut_folder(out, layers)
    note = weights.find(source).note
    return {
        "model_type": description.model_type,
        "parameters": description.parameters,
        "notes": [note] if note else [],
    }

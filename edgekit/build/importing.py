"""The first piece of a build: a checkpoint without anything that runs code, its adapter merged."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from edgekit.checkpoint import weights, widths
from edgekit.checkpoint.describe import _write_json, carry, describe, read_config
from edgekit.tables import Family


def import_checkpoint(
    source: Path, out: Path, *, adapter: Path | None = None, layers: int | None = None
) -> dict[str, Any]:
    """Copies the safe parts of a checkpoint into `out`; returns its description.

    An adapter is merged; `layers` keeps only the first few layers, for a trial run.
    """
    description = describe(source)
    _write_json(out / "config.json", read_config(source))
    if description.family is not Family.DECODER and (source / widths.FILE).is_file():
        shutil.copyfile(source / widths.FILE, out / widths.FILE)
    carry(source, out)
    weights.copy(source, out)
    from edgekit.checkpoint import models  # torch

    if adapter is not None:
        from edgekit.training import adapters

        adapters.merge_folder(out, adapter)
    models.check(out)
    if layers is not None:
        models.cut_folder(out, layers)
    note = weights.find(source).note
    return {
        "model_type": description.model_type,
        "parameters": description.parameters,
        "notes": [note] if note else [],
    }

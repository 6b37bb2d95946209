"""The first piece of a build: a checkpoint without anything that runs code, its adapter merged."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.checkpoint import merging, weights, widths
from edgekit.checkpoint.describe import carry, describe, family_of, read_config, write_json
from edgekit.checkpoint.tables import refuse_beyond, refuse_uncounted
from edgekit.data.inputs import Input
from edgekit.system import child
from edgekit.tables import Family

VERSION = 2
"""Counts up when the same folders give another checkpoint."""
# A separate process takes seconds to start; a large model's memory is worth that.
APART_FROM_BYTES = 100_000_000
HELD_TOKENS = 8_000
"""About how many tokens `hold` has a model read."""
MOST_HELD_BYTES = 2_000_000_000
"""The most weights that `hold` loads at once: see checkpoint/held.py, and the limit of ONNX."""


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
    from edgekit.checkpoint import auto_tokenizer, models, published, unread  # torch

    family = family_of(read_config(source), source)
    if family is not Family.DECODER and (source / widths.FILE).is_file():
        shutil.copyfile(source / widths.FILE, out / widths.FILE)
    if adapter is not None:
        merging.plan(source, adapter, labels=labels).write(out)
    else:
        write_json(out / "config.json", read_config(source))
        carry(source, out)
        weights.copy(source, out)
    made = adapter is None and published.is_one(source, read_config(source))
    notes = published.write(source, out) if made else []
    models.check(out)
    if not made:
        # An adapter may have brought a tokenizer of its own.
        notes = auto_tokenizer.settle(source if adapter is None else out, out)
    notes += unread.notes(source)
    if (beside := weights.find(source).note) is not None:
        notes.append(beside)
    description = describe(out)
    refuse_beyond(out, description)
    refuse_uncounted(out, description)
    if layers is not None:
        models.cut_folder(out, layers)
    return {
        "model_type": description.model_type,
        "parameters": description.parameters,
        "notes": notes,
    }


def hold(folder: Path, texts: Sequence[Input], *, prefix: str, max_tokens: int) -> dict[str, Any]:
    """The checkpoint as transformers itself reads it, against ours: see checkpoint/held.py."""
    if describe(folder).fp32_bytes < APART_FROM_BYTES:
        from edgekit.checkpoint import held  # torch

        return held.check(folder, texts, prefix=prefix, max_tokens=max_tokens)
    request = {"folder": folder, "texts": list(texts), "prefix": prefix, "max_tokens": max_tokens}
    doing = "checkpoint: comparing it with transformers"
    return child.ask("edgekit.checkpoint.held", "check", request, doing=doing)

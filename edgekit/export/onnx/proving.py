"""Refuses an ONNX export whose answers differ from its checkpoint's. Runs no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.errors import ExportError


def refuse_difference(errors: np.ndarray, texts: Sequence[str], *, what: str, most: float) -> None:
    """Raises ExportError where its `what`, such as logits, are off by more than `most`.

    `errors` has one entry per text; NaN counts as too much.
    """
    worst = int(errors.argmax())
    if not errors[worst] <= most:
        raise ExportError(
            f"onnx: the export's {what} differ from the checkpoint's by {errors[worst]:.2g} (at "
            f"most {most:g} is allowed) on the text '{texts[worst][:60]}'; this architecture "
            "cannot be exported exactly with the installed versions."
        )

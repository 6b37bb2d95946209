"""The one place that imports onnxruntime, which must not report to anybody.

Its wheels for Linux send events with a device id to their makers unless `ORT_DISABLE_TELEMETRY` is
set before they are imported; nothing that can be called afterwards stops that. So this module sets
it, alone of all that edgekit imports.
"""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from functools import cache
from pathlib import Path

VARIABLE = "ORT_DISABLE_TELEMETRY"
_REPORTS = "onnxruntime" in sys.modules and os.environ.get(VARIABLE) != "1"
os.environ[VARIABLE] = "1"

import onnxruntime  # noqa: E402  # after the line that silences it

__all__ = ["onnxruntime", "silence"]


@cache
def silence() -> None:
    """Removes the events that onnxruntime kept to send later; warns where it cannot be silenced.

    Called before a model is opened, once in a process.
    """
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    shutil.rmtree(kept / "Microsoft" / "DeveloperTools" / ".onnxruntime", ignore_errors=True)
    if _REPORTS:
        warnings.warn(
            "onnxruntime was imported before edgekit and may send events to its makers; set "
            f"{VARIABLE}=1 in this program's environment, or import edgekit.runtime.ort first.",
            RuntimeWarning,
            stacklevel=2,
        )

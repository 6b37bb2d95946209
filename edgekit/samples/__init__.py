"""Samples by name: real checkpoints and data to try edgekit with. Only this part goes online."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from edgekit.errors import MissingExtra, SampleError
from edgekit.tables import SAMPLES
from edgekit.wording.suggestions import did_you_mean

Progress = Callable[[str, float], None]
"""Called with what is being done and the finished fraction (0 to 1) of the whole."""

GGUF_PACKAGES = ("gguf", "llama_cpp")
"""Packages from the extra gguf; all others that a sample imports are from the extra compress."""


def make(name: str, folder: Path, *, on_progress: Progress | None = None) -> Path:
    """Fills `folder` with the sample: a checkpoint, data and `recipe.yaml`; returns the folder.

    Raises SampleError for an unknown name, a folder in use or a package that is not available, and
    MissingExtra where the packages that make samples are not installed.
    """
    if name not in SAMPLES:
        raise SampleError(f"There is no sample '{name}'.{did_you_mean(name, list(SAMPLES))}")
    module_name, function_name = SAMPLES[name].split(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        package = error.name or module_name
        extra = "gguf" if package in GGUF_PACKAGES else "compress"
        raise MissingExtra(package, extra) from error
    made: Path = getattr(module, function_name)(Path(folder), on_progress=on_progress)
    return made

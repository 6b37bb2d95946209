"""Versions of installed packages. Imports none of them."""

from __future__ import annotations

from importlib import metadata

# The same package under another name, built for GPUs: only one of the two can be installed.
BUILT_FOR_GPUS = {"onnxruntime": "onnxruntime-gpu"}


def version(package: str) -> str | None:
    """The installed version of a package or of its build for GPUs; None where there is neither."""
    for name in (package, BUILT_FOR_GPUS.get(package, package)):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None

"""Versions of installed packages. Imports none of them."""

from __future__ import annotations

from importlib import metadata

from edgekit.errors import MissingExtra

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


def required(package: str, extra: str) -> str:
    """The same; raises MissingExtra where it is not installed."""
    if (found := version(package)) is None:
        raise MissingExtra(package, extra)
    return found

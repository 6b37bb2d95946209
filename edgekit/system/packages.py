"""Versions of installed packages. Imports none of them."""

from __future__ import annotations

from importlib import metadata

from edgekit.errors import MissingExtra

# The GPU builds of packages, under names of their own: only one of the two can be installed.
BUILT_FOR_GPUS = {"onnxruntime": "onnxruntime-gpu"}


def version(package: str) -> str | None:
    """The installed version of a package or of its GPU build; None if there is neither."""
    for name in (package, BUILT_FOR_GPUS.get(package, package)):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def required(package: str, extra: str) -> str:
    """`version`; raises MissingExtra if the package is not installed."""
    if (found := version(package)) is None:
        raise MissingExtra(package, extra)
    return found

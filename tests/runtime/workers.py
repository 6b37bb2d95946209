"""The worker processes of a process. Tests that share a server leave its workers running."""

from __future__ import annotations

import psutil


def of(process: psutil.Process | None = None) -> list[psutil.Process]:
    children = (process or psutil.Process()).children()
    return [child for child in children if "edgekit.runtime.worker" in child.cmdline()]


def newest(process: psutil.Process | None = None) -> psutil.Process:
    """The one that was started last."""
    return max(of(process), key=psutil.Process.create_time)

"""What differs between systems: memory, disk, CPU features, locks and syncing. Decides nothing."""

from __future__ import annotations

import math
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import psutil

MIB = 1024 * 1024


def available_memory_bytes() -> int:
    """Memory that is free without swapping: the machine's or the container's, whichever is less."""
    available = psutil.virtual_memory().available
    limit = _cgroup_bytes("memory.max")
    used = _cgroup_bytes("memory.current")
    if limit is not None and used is not None:
        available = min(available, max(0, limit - used))
    return int(available)


def total_memory_bytes() -> int:
    """All memory of the machine or the container, whichever is less."""
    total = int(psutil.virtual_memory().total)
    limit = _cgroup_bytes("memory.max")
    return total if limit is None else min(total, limit)


def _cgroup_bytes(name: str) -> int | None:
    path = Path("/sys/fs/cgroup") / name
    if not path.is_file():
        return None
    text = path.read_text().strip()
    return int(text) if text.isdigit() else None


def free_disk_bytes(path: Path) -> int:
    """Free space on the disk where `path` is, or would be created."""
    while not path.exists():
        path = path.parent
    return psutil.disk_usage(str(path)).free


def rss_bytes() -> int:
    """Memory that this process holds now."""
    return int(psutil.Process().memory_info().rss)


def peak_rss_bytes() -> int:
    """The most memory that this process has held."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    # Not ru_maxrss first: a subprocess inherits its parent's value.
    if (peak := high_water_bytes(os.getpid())) is not None:
        return peak
    import resource  # absent on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def high_water_bytes(pid: int) -> int | None:
    """The most memory that a process has held; None where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.is_file() else None
    return int(found[1]) * 1024 if found else None


def cores() -> int:
    """Cores that this process may use, by its affinity and by its container's quota."""
    allowed = _affinity()
    return max(1, min(allowed, quota_cores() or allowed))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return psutil.cpu_count() or 1


def quota_cores(
    tree: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> int | None:
    """Cores' worth of time that cgroups allow, rounded up; None where there is no quota.

    Every group above the process's own counts, too: of nested quotas the least holds.
    """
    if not own.is_file():
        return None
    quotas = []
    for line in own.read_text().splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = tree / controllers if controllers else tree
        inside = root / place.lstrip("/")
        # In a container of its own name space, the group is the root of what can be seen.
        for group in (inside, *inside.parents):
            quotas.append(_quota(group))
            if group == root:
                break
    return min((math.ceil(quota) for quota in quotas if quota), default=None)


def _quota(group: Path) -> float | None:
    """Of one group: `cpu.max` of cgroup v2, or the two files of v1; None where it has none."""
    try:
        if (group / "cpu.max").is_file():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
    except OSError:
        return None
    return int(quota) / int(period) if quota.isdigit() else None


def cpu_name() -> str:
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cpu_features() -> frozenset[str]:
    """The instruction sets that matter here: avx2, fma, f16c, avx512f, vnni, neon …

    Empty if the system does not report them.
    """
    known = {
        "avx2": "avx2", "fma": "fma", "f16c": "f16c", "avx512f": "avx512f",
        "avx512_vnni": "vnni", "avx_vnni": "vnni", "amx_int8": "amx",
        "asimd": "neon", "asimddp": "dotprod", "i8mm": "i8mm",
    }  # fmt: skip
    for line in _cpuinfo():
        if line.lower().startswith(("flags", "features")):
            flags = line.split(":", 1)[1].split()
            return frozenset(known[flag] for flag in flags if flag in known)
    return frozenset()


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.is_file() else []


def sync_file(path: Path) -> None:
    """Returns once the file's bytes are on the disk itself."""
    descriptor = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
    try:
        if sys.platform == "darwin":
            import fcntl  # macOS: its fsync leaves the bytes in the drive's own cache

            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Returns once the folder's list of names is on the disk; Windows sees to that by itself."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_safely(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Replaces a file atomically: a reader sees the old bytes or the new, never a part.

    The umask applies to `mode`; with 0o600 nobody else can read the file at any moment.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)  # one left by a crash keeps its own mode
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        sync_file(partial)
        partial.replace(path)
    except BaseException:
        # If the disk was full, the partial file must not go on filling it.
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock that the kernel frees when this process dies, however it dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path):
        yield

"""`edgekit doctor`: what this machine has, what is missing, and the command that gets it."""

from __future__ import annotations

import argparse
import importlib.util
import platform
import sys
import tempfile
import warnings
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from packaging.requirements import Requirement

from edgekit import __version__
from edgekit.cli import cuda
from edgekit.cli.output import print_json, print_table
from edgekit.system import machine, packages, paths
from edgekit.wording.units import human_bytes

BASE = "base"
# For those who change edgekit itself; a user does not need it.
_NOT_FOR_USERS = {"dev"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(settings: argparse.Namespace) -> int:
    found = examine()
    if settings.json:
        print_json(found)
    else:
        _show(found)
    return 0


def examine() -> dict[str, Any]:
    """Everything that doctor reports, as JSON."""
    memory = psutil.virtual_memory()
    return {
        "edgekit": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": {
            "name": machine.cpu_name(),
            "cores": machine.cores(),
            "features": sorted(machine.cpu_features()),
        },
        "memory": {
            "total_bytes": memory.total,
            "available_bytes": machine.available_memory_bytes(),
        },
        "gpu": _gpu(),
        "cuda": cuda.look().as_json(),
        "cache": _cache(paths.cache_dir()),
        "extras": extras(_requirements()),
    }


def extras(requirements: Iterable[Requirement]) -> dict[str, dict[str, Any]]:
    """For the base install and each extra: what is installed, what is missing, how to get it."""
    found: dict[str, dict[str, Any]] = {}
    for requirement in requirements:
        extra = _extra(requirement)
        if extra in _NOT_FOR_USERS:
            continue
        entry = found.setdefault(extra, {"packages": {}, "missing": []})
        version = packages.version(requirement.name)
        entry["packages"][requirement.name] = version
        if version is None:
            entry["missing"].append(f"{requirement.name} is not installed")
        elif not requirement.specifier.contains(version, prereleases=True):
            entry["missing"].append(f"{requirement.name} {version} is not {requirement.specifier}")
    for extra, entry in found.items():
        wanted = "edgekit" if extra == BASE else f"edgekit[{extra}]"
        entry["complete"] = not entry["missing"]
        entry["install"] = None if entry["complete"] else f"pip install '{wanted}'"
    return found


def _requirements() -> list[Requirement]:
    requirements = [Requirement(text) for text in metadata.requires("edgekit") or ()]
    return [
        requirement
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": _extra(requirement)})
    ]


def _extra(requirement: Requirement) -> str:
    """The extra that a requirement belongs to: the one without which its marker is false."""
    marker = requirement.marker
    if marker is None or "extra" not in str(marker):
        return BASE
    named = metadata.metadata("edgekit").get_all("Provides-Extra") or ()
    return next((extra for extra in named if marker.evaluate({"extra": extra})), BASE)


def _cache(folder: Path) -> dict[str, Any]:
    """Whether the cache folder is writable, or can be made where it does not exist yet."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            fault = None
    except OSError as error:
        fault = f"{nearest}: {error.strerror}; name another folder with EDGEKIT_CACHE"
    return {
        "folder": str(folder),
        "free_bytes": machine.free_disk_bytes(folder),
        "writable": fault is None,
        "fault": fault,
    }


def _gpu() -> dict[str, Any]:
    """The devices that torch says steps can compute on; else those that the driver lists."""
    note = "torch is not installed"
    if importlib.util.find_spec("torch") is not None:
        devices, note = _cuda_devices()
        if devices:
            return {"usable": True, "devices": devices, "note": None}
    return {"usable": False, "devices": _driver_devices(), "note": note}


def _cuda_devices() -> tuple[list[dict[str, Any]], str]:
    """The devices that torch can use, or why it can use none."""
    try:
        # Takes seconds and hundreds of megabytes: only here, where there is no other way to know.
        import torch
    except (ImportError, OSError) as error:
        return [], f"torch is installed but cannot be loaded ({error})"
    if torch.version.cuda is None:
        return [], "the installed torch is built without CUDA"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if not usable:
        reason = str(caught[0].message) if caught else "it finds no GPU"
        return [], f"torch {torch.__version__} cannot use CUDA: {reason}"
    devices = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return [{"name": one.name, "memory_bytes": one.total_memory} for one in devices], ""


def _driver_devices() -> list[dict[str, Any]]:
    query = ("--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
    # A driver that does not answer offers nothing to compute on.
    lines = cuda.said("nvidia-smi", *query).splitlines()
    return [_driver_device(*line.rsplit(",", 1)) for line in lines if "," in line]


def _driver_device(name: str, mib: str) -> dict[str, Any]:
    known = mib.strip().isdigit()  # "[N/A]" on machines whose GPU shares system memory
    return {"name": name.strip(), "memory_bytes": int(mib) * machine.MIB if known else None}


def _show(found: dict[str, Any]) -> None:
    cpu, memory, cache = found["cpu"], found["memory"], found["cache"]
    features = " ".join(cpu["features"]) or "no features known"
    lines = {
        "edgekit": f"{found['edgekit']}, Python {found['python']}, {found['system']}",
        "CPU": f"{cpu['name']}, {cpu['cores']} cores, {features}",
        "memory": f"{human_bytes(memory['total_bytes'])}, of which "
        f"{human_bytes(memory['available_bytes'])} can be used now",
        "GPU": _gpu_in_words(found["gpu"]),
        "cache": f"{cache['folder']}, {human_bytes(cache['free_bytes'])} free, "
        + ("can be written" if cache["writable"] else f"CANNOT be written: {cache['fault']}"),
    }
    for name, text in lines.items():
        sys.stdout.write(f"{name:8} {text}\n")
    _show_cuda(found["cuda"])
    for extra, entry in found["extras"].items():
        state = "complete" if entry["complete"] else f"incomplete; get it with {entry['install']}"
        sys.stdout.write(f"\n{extra}: {state}\n")
        for fault in entry["missing"]:
            sys.stdout.write(f"  {fault}\n")
    sys.stdout.write("\n")
    packages = {
        package: version
        for entry in found["extras"].values()
        for package, version in entry["packages"].items()
        if version is not None
    }
    print_table("", ("package", "version"), sorted(packages.items()))


def _show_cuda(found: dict[str, Any]) -> None:
    state = "incomplete" if found["missing"] else "complete: driver, compiler, libraries, packages"
    sys.stdout.write(f"\nCUDA: {state}\n")
    for lack in found["missing"]:
        sys.stdout.write(f"  {lack['what']}: {lack['command']}\n")


def _gpu_in_words(gpu: dict[str, Any]) -> str:
    named = ", ".join(
        one["name"] + (f" ({human_bytes(one['memory_bytes'])})" if one["memory_bytes"] else "")
        for one in gpu["devices"]
    )
    if gpu["usable"]:
        return f"{named}, usable for steps"
    return f"{named or 'none found'}; {gpu['note']}"

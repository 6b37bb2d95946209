"""The teacher's ONNX exports that a bench compares with: made once each, kept in the step store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Any

from edgekit.bench import baseline
from edgekit.errors import MissingExtra
from edgekit.runtime.onnx import LOGITS
from edgekit.store.store import Store
from edgekit.system import child, machine
from edgekit.system.digest import sha256_folder

OPTIMUM = "bench-optimum"
"""The name of its entries in the store."""
PACKAGES = ("torch", "transformers", "onnx", "onnxruntime")


def needs_compress() -> None:
    """Raises MissingExtra here rather than in a child's traceback."""
    for package in ("torch", "transformers", "onnx"):
        if util.find_spec(package) is None:
            raise MissingExtra(package, "compress")


def fp32(store: Store, checkpoint: Path) -> Path:
    """The checkpoint's fp32 export, the one from which artifacts are made."""
    inputs = {
        "checkpoint": sha256_folder(checkpoint),
        "packages": {package: metadata.version(package) for package in PACKAGES},
    }

    def make(folder: Path) -> Mapping[str, Any]:
        request = {"checkpoint": checkpoint, "folder": folder}
        doing = f"onnx: exporting {checkpoint} to compare with it"
        return child.ask("edgekit.export.onnx.tracing", LOGITS, request, doing=doing)

    return store.run("bench-fp32", inputs, make).folder / "model.onnx"


def optimum_int8(store: Store, checkpoint: Path) -> Path:
    """What optimum makes from the checkpoint: its own export, in its own int8 for this CPU."""
    inputs = optimum_inputs(checkpoint)

    def make(folder: Path) -> Mapping[str, Any]:
        return baseline.export(baseline.make(), checkpoint, folder, inputs["preset"])

    return store.run(OPTIMUM, inputs, make).folder / "model.onnx"


def optimum_inputs(checkpoint: Path) -> Mapping[str, Any]:
    """What that export depends on."""
    return {
        "preset": preset_for(machine.cpu_features()),
        "checkpoint": sha256_folder(checkpoint),
        "packages": list(baseline.REQUIREMENTS),
    }


def preset_for(features: Collection[str]) -> str:
    """optimum's fastest configuration that its guide names for a CPU with these instructions."""
    known = {"vnni": "avx512_vnni", "avx512f": "avx512", "neon": "arm64"}
    return next((preset for one, preset in known.items() if one in features), "avx2")

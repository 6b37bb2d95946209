"""The teacher's ONNX exports that a bench compares with: made once each, kept in the step store."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Any

from edgekit.errors import MissingExtra
from edgekit.runtime.onnx import LOGITS
from edgekit.store.store import Store
from edgekit.system import child
from edgekit.system.digest import sha256_folder

PACKAGES = ("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime")


def needs_compress() -> None:
    """Raises MissingExtra here rather than in a child's traceback."""
    for package in ("torch", "transformers", "optimum"):
        if util.find_spec(package) is None:
            raise MissingExtra(package, "compress")


def fp32(store: Store, checkpoint: Path) -> Path:
    """The checkpoint's fp32 export, the one from which artifacts are made."""
    return _kept(store, "bench-fp32", checkpoint, "edgekit.export.onnx.tracing", LOGITS)


def optimum_int8(store: Store, checkpoint: Path) -> Path:
    """What optimum makes from the checkpoint: its own export, in its own int8 for AVX2."""
    return _kept(store, "bench-optimum", checkpoint, "edgekit.bench.optimum", "make")


def _kept(store: Store, name: str, checkpoint: Path, module: str, verb: str) -> Path:
    inputs = {
        "checkpoint": sha256_folder(checkpoint),
        "packages": {package: metadata.version(package) for package in PACKAGES},
    }

    def make(folder: Path) -> Mapping[str, Any]:
        request = {"checkpoint": checkpoint, "folder": folder}
        doing = f"onnx: exporting {checkpoint} to compare with it"
        return child.ask(module, verb, request, doing=doing)

    return store.run(name, inputs, make).folder / "model.onnx"

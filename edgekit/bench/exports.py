"""The teacher's ONNX forms that a bench compares with: made once each, kept in the step store."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Any

from edgekit.errors import MissingExtra
from edgekit.runtime.onnx import LOGITS
from edgekit.store.store import Store
from edgekit.system.child import run_apart
from edgekit.system.digest import sha256_folder

PACKAGES = ("torch", "transformers", "optimum", "optimum-onnx", "onnx", "onnxruntime")


def needs_compress() -> None:
    """Raises MissingExtra here, and not in a child's traceback."""
    for package in ("torch", "transformers", "optimum"):
        if util.find_spec(package) is None:
            raise MissingExtra(package, "compress")


def fp32(store: Store, checkpoint: Path) -> Path:
    """The checkpoint's fp32 export, the one that artifacts are made of."""
    return _kept(store, "bench-fp32", checkpoint, "edgekit.export.onnx.tracing", LOGITS)


def optimum_int8(store: Store, checkpoint: Path) -> Path:
    """What optimum makes of the checkpoint: its own export, in its own int8 for AVX2."""
    return _kept(store, "bench-optimum", checkpoint, "edgekit.bench.optimum")


def _kept(store: Store, name: str, checkpoint: Path, module: str, *further: str) -> Path:
    inputs = {
        "checkpoint": sha256_folder(checkpoint),
        "packages": {package: metadata.version(package) for package in PACKAGES},
    }

    def make(folder: Path) -> Mapping[str, Any]:
        doing = f"exporting {checkpoint} to compare with it"
        return run_apart(module, checkpoint, folder, *further, doing=doing)

    return store.run(name, inputs, make).folder / "model.onnx"


def child_environment() -> dict[str, str]:
    """The child must find what this process found, and nothing in the working folder."""
    return {
        # With its default PyTorch is up to five times slower beside another busy program, and a
        # few per cent faster on an idle machine: a comparison must not hang on that.
        "GOMP_SPINCOUNT": "1000",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }

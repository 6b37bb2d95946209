"""The environment in which optimum runs, made by pip when a baseline is first asked for.

optimum's exporter needs a transformers older than edgekit's. It is never imported by a process of
edgekit's: a Python of its own runs optimum.py there, offline, on a copy without private keys.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import util
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, cast

from edgekit.checkpoint import describe, weights
from edgekit.errors import EdgekitError
from edgekit.runtime.tokens import TOKENIZER
from edgekit.system import paths
from edgekit.system.digest import sha256_json

REQUIREMENTS = (
    "huggingface_hub==0.36.2", "numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.31.1",
    "optimum==2.1.0", "optimum-onnx==0.1.0", "safetensors==0.8.0", "tokenizers==0.22.2",
    "torch==2.13.0", "transformers==4.57.6",
)  # fmt: skip
NOTICE = (
    "optimum needs packages older than edgekit's: pip installs them into an environment of their "
    "own now, once ({folder}; about 1.5 GB, with PyPI's torch 5 GB)."
)
_READY = "ready"
PROGRAM = "edgekit.bench.optimum"
"""Run as a file: in that environment there is no edgekit."""


def folder() -> Path:
    return paths.cache_dir() / f"baseline-{sha256_json(list(REQUIREMENTS))[:12]}"


def program() -> Path:
    return Path(str(cast("ModuleSpec", util.find_spec(PROGRAM)).origin))


def notice() -> str | None:
    """What a person should know before `make` installs something; None once it has."""
    return None if (folder() / _READY).is_file() else NOTICE.format(folder=folder())


def make() -> Path:
    """The environment's Python. Raises EdgekitError where pip cannot install into it."""
    place, python = folder(), _python(folder())
    if (place / _READY).is_file():
        return python
    place.mkdir(parents=True, exist_ok=True)
    # What an interrupted pip left is replaced: the mark is set at the end.
    _do([sys.executable, "-m", "venv", "--clear", str(place)], "made")
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _do([*install, *REQUIREMENTS], "installed")
    (place / _READY).touch()
    return python


def export(python: Path, checkpoint: Path, out: Path, preset: str) -> Mapping[str, Any]:
    """Writes `out`/model.onnx: optimum's export of a classifier, and its int8. EdgekitError."""
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        _copy(checkpoint, Path(scratch))
        request = {"checkpoint": scratch, "folder": str(out), "preset": preset}
        done = subprocess.run(
            [str(python), "-I", str(program())],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "ORT_DISABLE_TELEMETRY": "1"},
        )
    if done.returncode != 0:
        raise EdgekitError(
            f"onnx: optimum's export of {checkpoint} to compare with it failed "
            f"({_last(done.stderr)}); leave out --baseline."
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _copy(checkpoint: Path, out: Path) -> None:
    """In a form that transformers 4 reads; refuses checkpoints that contain code."""
    config = describe.read_config(checkpoint)
    ropes = config.pop("rope_parameters", None) or {}
    for kind, key in (("full", "global_rope_theta"), ("sliding", "local_rope_theta")):
        if f"{kind}_attention" in ropes:
            config[key] = ropes[f"{kind}_attention"]["rope_theta"]
    describe.write_json(out / "config.json", config)
    weights.copy(checkpoint, out)
    (out / TOKENIZER).write_bytes((checkpoint / TOKENIZER).read_bytes())
    named = {"tokenizer_class": "PreTrainedTokenizerFast"}
    describe.write_json(out / describe.TOKENIZER_CONFIG, named)


def _python(place: Path) -> Path:
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _do(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EdgekitError(
            f"{folder()}: optimum's environment could not be {what} ({_last(done.stderr)}); check "
            "the network and pip's configuration, or leave out --baseline."
        )


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["nothing was said"])[-1][:300]

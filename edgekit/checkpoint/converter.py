"""Runs llama.cpp's own converter, in a subprocess with its own environment. Light to import.

Proves nothing; see export/gguf/llama_cpp_converter.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import util
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import cast

from edgekit.errors import CheckpointError, ExportError
from edgekit.system import paths

VERSION = "0.3.36"
"""The release of llama-cpp-python whose source package holds the converter that is fetched."""
READY = "ready"
"""A file in the fetched folder, written last."""
DRIVER = "edgekit.checkpoint.converter_driver"
"""Run as a file: what it imports are llama.cpp's sources."""
VARIABLE = "EDGEKIT_LLAMA_CPP"
"""The environment variable for a folder with llama.cpp's sources."""
SCRIPT = "convert_hf_to_gguf.py"
ADVICE = (
    "llama.cpp's own converter may know it: `edgekit converter` fetches that once. For another "
    f"release, set {VARIABLE} to the folder of llama.cpp's sources, and make there an environment "
    "for it: python3 -m venv .venv && .venv/bin/pip install -r "
    "requirements/requirements-convert_hf_to_gguf.txt."
)
# What any program needs to run, and nothing else of this environment.
_INHERITED = ("PATH", "HOME", "TMPDIR", "TEMP", "SYSTEMROOT", "LANG")


def place() -> Path:
    """Where the converter that `edgekit converter` fetches is kept."""
    return paths.cache_dir() / f"llama.cpp-{VERSION}"


def at_hand() -> Path | None:
    """A folder with llama.cpp's sources: the one that the user has named, or what was fetched."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).resolve()
    return place() if (place() / READY).is_file() else None


def is_own() -> bool:
    """Whether it is the converter that was fetched, which runs with edgekit's own packages."""
    return at_hand() == place()


def run_own(checkpoint: Path, out: Path) -> None:
    """Writes `out`, an f16 GGUF file without a tokenizer, by the converter that was fetched.

    Raises CheckpointError where the checkpoint contains code, and ExportError if it fails.
    """
    _refuse_code(checkpoint)
    driver = str(cast("ModuleSpec", util.find_spec(DRIVER)).origin)
    # -P: what lies beside the driver is not to be imported for what has the same name elsewhere.
    command = [sys.executable, "-P", driver, str(place()), str(checkpoint.resolve()), str(out)]
    _run(command, place(), out, of=f"llama-cpp-python {VERSION}")


def run(checkpoint: Path, out: Path) -> None:
    """Writes `out`, an f16 GGUF file.

    Raises CheckpointError if there is no converter or the checkpoint contains code, and ExportError
    if the converter fails.
    """
    _refuse_code(checkpoint)
    folder = at_hand()
    if folder is None:
        raise CheckpointError(f"{checkpoint}: edgekit does not know this architecture; {ADVICE}")
    script = folder / SCRIPT
    python = folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    for path in (script, python):
        if not path.is_file():
            raise CheckpointError(f"{path} is not there; {ADVICE}")
    command = [python, script, checkpoint.resolve(), "--outfile", out.resolve(), "--outtype", "f16"]
    _run(list(map(str, command)), folder, out, of=str(script))


def _run(command: list[str], folder: Path, out: Path, *, of: str) -> None:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**inherited, "HF_HUB_OFFLINE": "1", "PYTHONNOUSERSITE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0 or not out.is_file():
        reason = (done.stdout.strip().splitlines() or ["it said nothing"])[-1]
        raise ExportError(
            f"gguf: llama.cpp's converter failed ({reason}); it is that of {of}, and a later one "
            "may know the model."
        )


def _refuse_code(checkpoint: Path) -> None:
    """llama.cpp's converter lets some tokenizers run code from the checkpoint."""
    for name in ("config.json", "tokenizer_config.json"):
        path = checkpoint / name
        if path.is_file() and "auto_map" in json.loads(path.read_text(encoding="utf-8")):
            raise CheckpointError(
                f"{path}: 'auto_map' asks for code that the checkpoint brings along, and edgekit "
                "never runs such code; use a checkpoint that transformers knows itself."
            )

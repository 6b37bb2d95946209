"""Runs llama.cpp's own converter, in a subprocess with its own environment. Light to import.

Proves nothing; see export/gguf/llama_cpp_converter.py.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from edgekit.errors import CheckpointError, ExportError

VARIABLE = "EDGEKIT_LLAMA_CPP"
"""The environment variable for a folder with llama.cpp's sources."""
SCRIPT = "convert_hf_to_gguf.py"
ADVICE = (
    f"llama.cpp's own converter may know it: set {VARIABLE} to the folder of llama.cpp's sources, "
    f"and make there an environment for it: python3 -m venv .venv && .venv/bin/pip install -r "
    "requirements/requirements-convert_hf_to_gguf.txt."
)
# What any program needs to run, and nothing else of this environment.
_INHERITED = ("PATH", "HOME", "TMPDIR", "TEMP", "SYSTEMROOT", "LANG")


def at_hand() -> Path | None:
    """The folder of llama.cpp's sources, if the user has named one."""
    named = os.environ.get(VARIABLE)
    return Path(named).resolve() if named else None


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
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    done = subprocess.run(
        list(map(str, command)),
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
        raise ExportError(f"gguf: llama.cpp's converter failed ({reason}); see {script}.")


def _refuse_code(checkpoint: Path) -> None:
    """llama.cpp's converter lets some tokenizers run code from the checkpoint."""
    for name in ("config.json", "tokenizer_config.json"):
        path = checkpoint / name
        if path.is_file() and "auto_map" in json.loads(path.read_text(encoding="utf-8")):
            raise CheckpointError(
                f"{path}: 'auto_map' asks for code that the checkpoint brings along, and edgekit "
                "never runs such code; use a checkpoint that transformers knows itself."
            )

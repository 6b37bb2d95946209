"""Starts what a bench measures: a process for each side, and the export that one of them needs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from edgekit import machine, paths
from edgekit.digest import sha256_folder
from edgekit.errors import EdgekitError, WorkerError
from edgekit.runtime import wire


@dataclass(frozen=True, slots=True)
class Plan:
    """One side: what it is told to open, and what it weighs."""

    name: str
    """A key of bench_side.SIDES."""
    request: Mapping[str, Any]
    size_bytes: int
    """Its weights."""
    folder_bytes: int
    """All that it needs beside its programs."""


class Child:
    """One side's process."""

    def __init__(self, plan: Plan) -> None:
        self.name = plan.name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the child ends
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "edgekit.bench_side"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
        )
        self._open = {"side": plan.name, **plan.request}

    def open(self) -> None:
        self.ask("open", **self._open)

    def ask(self, verb: str, **request: Any) -> dict[str, Any]:
        stdin, stdout = cast("Any", self._process.stdin), cast("Any", self._process.stdout)
        try:
            wire.send(stdin, {"verb": verb, **request})
            reply = wire.receive(stdout)
        except BrokenPipeError:
            reply = None
        if reply is None:
            raise WorkerError(f"The side {self.name} of the bench ended ({self._last_words()}).")
        if "error" in reply:
            raise EdgekitError(reply["error"])
        return reply

    def _last_words(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


def _environment() -> dict[str, str]:
    """The child must find what this process found, and nothing in the working folder."""
    return {
        # With its default PyTorch is up to five times slower beside another busy program, and a
        # few per cent faster on an idle machine: a comparison must not hang on that.
        "GOMP_SPINCOUNT": "1000",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def fp32_export(checkpoint: Path) -> Path:
    """The checkpoint's fp32 export, kept in the cache: made once for each checkpoint."""
    folder = paths.cache_dir() / "bench"
    place = folder / sha256_folder(checkpoint)
    with machine.locked(folder / "lock"):
        if not (place / "model.onnx").is_file():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                _export_apart(checkpoint, Path(scratch))
                place.mkdir(exist_ok=True)
                (Path(scratch) / "model.onnx").replace(place / "model.onnx")
    return place / "model.onnx"


def _export_apart(checkpoint: Path, folder: Path) -> None:
    """In a process that then gives its memory back."""
    program = (
        "import sys; from pathlib import Path; from edgekit.export.onnx import export; "
        "export(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(checkpoint), str(folder)],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise EdgekitError(f"{checkpoint}: it cannot be exported to compare with ({reason}).")

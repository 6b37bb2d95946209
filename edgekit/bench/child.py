"""Starts what a bench measures: a process for each side."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Self, cast

from edgekit.bench.exports import child_environment
from edgekit.errors import EdgekitError, WorkerError
from edgekit.runtime import wire

_NOTHING: Mapping[str, Any] = MappingProxyType({})
LABELS_SIDE = "edgekit.tasks.classification.proof.bench"


@dataclass(frozen=True, slots=True)
class SidePlan:
    """One side: what it is told to open, and what it weighs."""

    name: str
    """A key of the SIDES of its module."""
    request: Mapping[str, Any]
    size_bytes: int
    """Its weights."""
    folder_bytes: int
    """All that it needs beside its programs."""
    module: str = LABELS_SIDE
    """Runs it."""


class Child:
    """One side's process."""

    def __init__(self, plan: SidePlan) -> None:
        self.name = plan.name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the child ends
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", plan.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=child_environment(),
        )
        self._open = {"side": plan.name, **plan.request}

    def open(self) -> None:
        self.ask("open", self._open)

    def ask(self, verb: str, request: Mapping[str, Any] = _NOTHING) -> dict[str, Any]:
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

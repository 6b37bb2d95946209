"""Runs `edgekit compress` many times, each to be stopped at one chosen place.

Importing torch takes longer than the whole tiny recipe. So one process imports everything once,
before any of its threads has started, and forks a child for every run; `Forked` talks to it. The
child is the real command in all but three things: the store's commit points and every file
operation below the output folder are heard of, and what saves its progress does so more often.

    python -m tests.crash.forked    reads a Run as JSON a line, answers with an Ended as JSON a line
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from edgekit.store.store import COMMIT_POINTS
from tests.crash import kill

# All commit points of the tiny recipe with one epoch of 21 iterations.
STEPS = (
    "checkpoint", "checkpoint-parity", "finetune", "teacher", "onnx-export", "onnx-quantize",
    "familiar", "judge", "onnx-calibrate", "linear",
)  # fmt: skip
SAVES = 21
POINTS = (
    *(f"{step}:{point}" for step in STEPS for point in COMMIT_POINTS),
    *(f"finetune:saved {number}" for number in range(1, SAVES + 1)),
)
BALLAST = "ballast"
LONGEST_SECONDS = 120
# Audit events that change what is on the disk; `open` is looked at more closely.
CHANGES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}

# Whatever a run would import by and by.
IMPORTED = (
    "transformers.models.bert.modeling_bert",
    "transformers.models.t5.modeling_t5",
    "edgekit.build.build",
    "edgekit.cli.compress",
    "edgekit.cli.planning",
    "edgekit.steps.distill.seq2seq.run",
    "edgekit.steps.finetune.encoder.run",
    "edgekit.build.speed",
    "edgekit.export.onnx.seq2seq.tracing",
    "edgekit.export.onnx.tracing",
)
# Summaries between two savings of those that a teacher writes.
SUMMARIES = 16


@dataclass(frozen=True)
class Run:
    """One run of the command and where it is to be stopped."""

    recipe: str
    cache: str
    out: str
    settings: tuple[str, ...] = ()
    """What `--set` gets."""
    remove: tuple[str, ...] = ()
    copy: tuple[tuple[str, str], ...] = ()
    """Done before the run: folders that go, then copies (from, to) that are made."""
    die_at: str = ""
    """kill -9 when this commit point is reached."""
    die_before: int = -1
    """kill -9 before this file operation below `out`, counted from 0."""
    die_after_s: float = 0
    """kill -9 so many seconds after the command began."""
    fill_at: str = ""
    fill: str = ""
    spare_bytes: int = 0
    """At this commit point the disk of the folder `fill` is filled up to so many bytes."""

    def again(self) -> Run:
        """The same command where this one ended, and nothing stops it."""
        return replace(
            self, remove=(), copy=(), die_at="", die_before=-1, die_after_s=0, fill_at="", fill=""
        )


@dataclass(frozen=True)
class Ended:
    """How a run ended and what it left."""

    code: int
    """The exit code; minus the signal's number where a signal ended it."""
    stderr: str
    seconds: float
    points: list[str]
    operations: list[str]
    left: dict[str, str] = field(default_factory=dict)
    """sha256 of each folder in `out`, and the names of its files."""
    unfinished: list[str] = field(default_factory=list)
    """What is in the store and not finished."""


class Forked:
    """The process that forks, seen from a test."""

    def __init__(self, *, inside: Sequence[str] = ()) -> None:
        """`inside` is put before the command: a program that runs it in surroundings of its own."""
        began = time.monotonic()
        self._process = subprocess.Popen(
            [*inside, sys.executable, "-P", "-m", "tests.crash.forked"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # It imports what this process can, tests too: pytest put their root on the path.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self.importing_s = time.monotonic() - began

    def run(self, run: Run) -> Ended:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(run)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the forking process ended by itself: {self._process.wait()}")
        return Ended(**json.loads(line))

    def close(self) -> None:
        self._process.communicate()


class _Watch:
    """Hears of commit points and file operations in the child, writes them down, and stops it."""

    def __init__(self, run: Run, notes: Path) -> None:
        self._run = run
        self._out = Path(run.out).absolute()
        self._notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._operations = 0
        self._begun: list[str] = []
        self._saves: Counter[str] = Counter()

    def point(self, name: str) -> None:
        self._note("point", name)
        step, _, what = name.partition(":")
        if what == "begun":
            self._begun.append(step)
        elif what == "finished" and step in self._begun:
            self._begun.remove(step)
        if name == self._run.fill_at:
            fill(Path(self._run.fill), spare_bytes=self._run.spare_bytes)
        if name == self._run.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def saved(self) -> None:
        """What was begun last has saved how far it is."""
        step = self._begun[-1]
        self._saves[step] += 1
        self.point(f"{step}:saved {self._saves[step]}")

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event not in CHANGES or (event == "open" and not _writes(arguments)):
            return
        paths = _paths(event, arguments)
        if not any(path.is_relative_to(self._out) for path in paths):
            return
        if self._operations == self._run.die_before:
            os.kill(os.getpid(), signal.SIGKILL)
        self._operations += 1
        names = [str(path.relative_to(self._out)) for path in paths]
        self._note("operation", f"{event.removeprefix('os.')} {' '.join(names)}")

    def _note(self, kind: str, what: str) -> None:
        os.write(self._notes, f"{kind}\t{what}\n".encode())


def _writes(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _paths(event: str, arguments: tuple[object, ...]) -> list[Path]:
    """The paths of an audit event; one that is relative to an open folder is made whole."""
    if event == "open":
        pairs = [(arguments[0], -1)]
    elif event == "os.rename":
        pairs = [(arguments[0], arguments[2]), (arguments[1], arguments[3])]
    else:
        pairs = [(arguments[0], arguments[-1])]
    return [_whole(path, folder) for path, folder in pairs if isinstance(path, str | os.PathLike)]


def _whole(path: str | os.PathLike[str], folder: object) -> Path:
    if isinstance(folder, int) and folder >= 0:
        return Path(f"/proc/self/fd/{folder}").readlink() / path
    return Path(path).absolute()


def fill(folder: Path, *, spare_bytes: int) -> None:
    """Takes all room on the disk of a folder but so many bytes."""
    with (folder / BALLAST).open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            stream.truncate(max(0, stream.tell() - spare_bytes))


def serve() -> None:
    """Imports all that the command will need, then forks for every request."""
    from edgekit import cli

    os.environ.update(cli.ENVIRONMENT)
    for module in IMPORTED:
        importlib.import_module(module)
    print("ready", flush=True)
    for line in sys.stdin:
        run = Run(**json.loads(line))
        for folder in run.remove:
            shutil.rmtree(folder, ignore_errors=True)
        for source, target in run.copy:
            shutil.copytree(source, target)
        with tempfile.TemporaryDirectory() as scratch:
            ended = _fork(run, Path(scratch))
        if run.fill:
            Path(run.fill, BALLAST).unlink(missing_ok=True)
        print(json.dumps(asdict(ended)), flush=True)


def _fork(run: Run, scratch: Path) -> Ended:
    notes, stderr = scratch / "notes", scratch / "stderr"
    notes.touch()
    stderr.touch()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _compress(run, notes, stderr)
    status = os.waitpid(child, 0)[1]
    seconds = time.monotonic() - began
    heard = [line.split("\t", 1) for line in notes.read_text().splitlines()]
    store = Path(run.cache, "store")
    return Ended(
        code=os.waitstatus_to_exitcode(status),
        stderr=stderr.read_text(),
        seconds=seconds,
        points=[what for kind, what in heard if kind == "point"],
        operations=[what for kind, what in heard if kind == "operation"],
        left={path.name: _digest(path) for path in sorted(Path(run.out).glob("*"))},
        unfinished=sorted(path.name for path in store.glob("*.partial")),
    )


def _digest(path: Path) -> str:
    return kill.sha256_of(path) if path.is_dir() else "a file"


def _compress(run: Run, notes: Path, stderr: Path) -> None:
    """The child: the command itself, watched; never returns."""
    from edgekit import cli
    from edgekit.build import build
    from edgekit.steps.distill.seq2seq import run as distilling_writer
    from edgekit.training import loop as training

    code = 70
    try:
        signal.alarm(LONGEST_SECONDS)
        for number, path in ((0, os.devnull), (1, os.devnull), (2, stderr)):
            os.dup2(os.open(path, os.O_RDWR), number)
        os.environ["EDGEKIT_CACHE"] = run.cache
        watch = _Watch(run, notes)
        if run.die_after_s:
            threading.Timer(run.die_after_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        build.compress = functools.partial(build.compress, on_commit=watch.point)
        training.save_progress = _telling(training.save_progress, watch)
        training.SAVE_EVERY_SECONDS = 0.0
        distilling_writer.write_safely = _telling(distilling_writer.write_safely, watch)
        distilling_writer.SAVE_EVERY = SUMMARIES
        sys.addaudithook(watch.audit)
        changes = [word for setting in run.settings for word in ("--set", setting)]
        code = cli.main(["compress", run.recipe, "--out", run.out, *changes])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _telling(save: Callable[..., None], watch: _Watch) -> Callable[..., None]:
    def save_and_tell(*arguments: object, **settings: object) -> None:
        save(*arguments, **settings)
        watch.saved()

    return save_and_tell


if __name__ == "__main__":
    serve()

"""Kills a command with -9 at random moments, runs it again, and compares what it leaves.

    python tests/crash/kill.py --times 50 --remove CACHE --remove OUT --digest OUT/intents-onnx \\
        -- edgekit compress recipe.yaml --out OUT

Knows nothing of edgekit: a command, folders to remove before each round, and a digest.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Round:
    """One kill: when, whether the children were killed too, and what running again left."""

    moment_s: float
    whole_group: bool
    digest: str


@dataclass(frozen=True)
class Report:
    expected: str
    rounds: tuple[Round, ...]

    @property
    def different(self) -> tuple[Round, ...]:
        return tuple(one for one in self.rounds if one.digest != self.expected)


def kill_at_random_moments(
    command: Sequence[str],
    *,
    times: int,
    seed: int,
    finished_digest: Callable[[], str],
    reset: Callable[[], None],
    on_round: Callable[[int, Round], None] = lambda number, one: None,
    undisturbed: tuple[str, float] | None = None,
) -> Report:
    """Runs `command` once whole, then `times` times from `reset`: killed, then run again.

    The first is left out where `undisturbed` tells its digest and about how many seconds it takes.
    By turns the process is killed alone, as a user does who picks one, and with all its children.
    `finished_digest` says what a whole run left. RuntimeError when the command fails by itself.
    """
    choose = random.Random(seed)
    if undisturbed is None:
        reset()
        began = time.monotonic()
        _run_whole(command)
        undisturbed = finished_digest(), time.monotonic() - began
    expected, duration_s = undisturbed
    rounds: list[Round] = []
    while len(rounds) < times:
        reset()
        moment_s = choose.uniform(0, duration_s)
        whole_group = len(rounds) % 2 == 1
        if not _run_and_kill(command, moment_s, whole_group):
            duration_s = moment_s  # it had ended before: quicker than the first time
            continue
        _run_whole(command)
        rounds.append(Round(moment_s, whole_group, finished_digest()))
        on_round(len(rounds), rounds[-1])
    return Report(expected, tuple(rounds))


def sha256_of(folder: Path) -> str:
    """One digest for all files below a folder; written apart from edgekit's on purpose."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(path.relative_to(folder).as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _run_whole(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")


def _run_and_kill(command: Sequence[str], moment_s: float, whole_group: bool) -> bool:
    """False if the command ended before the moment came."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(timeout=moment_s)
        return False
    except subprocess.TimeoutExpired:
        if whole_group and hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--remove", type=Path, action="append", default=[], help="before each round"
    )
    parser.add_argument("--digest", type=Path, required=True, help="folder that must be the same")
    parser.add_argument("command", nargs="+")
    settings = parser.parse_args()

    def reset() -> None:
        for folder in settings.remove:
            shutil.rmtree(folder, ignore_errors=True)

    def tell(number: int, one: Round) -> None:
        how = "the group" if one.whole_group else "the process"
        print(f"{number}: killed {how} at {one.moment_s:.2f} s: {one.digest[:12]}", flush=True)

    report = kill_at_random_moments(
        settings.command,
        times=settings.times,
        seed=settings.seed,
        finished_digest=lambda: sha256_of(settings.digest),
        reset=reset,
        on_round=tell,
    )
    print(f"{len(report.different)} of {settings.times} differ from {report.expected[:12]}")
    return 1 if report.different else 0


if __name__ == "__main__":
    sys.exit(main())

"""`edgekit compress --processes N`: what is launched, and what its end is told as."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.cli import compress, launching
from edgekit.errors import EdgekitError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    compress.add_arguments(parser)
    return parser.parse_args(words)


def test_each_process_runs_the_same_command_on_the_chosen_device() -> None:
    words = ["r.yaml", "--out", "o", "--set", "a=1", "--set", "b=2", "--smoke", "--json"]
    settings = parsed(*words, "--processes", "2", "--device", "auto")
    command = launching.command(settings, device="cpu")
    again = parsed(*command[1:])
    assert command[0] == "compress"
    assert (again.device, again.processes) == ("cpu", 1)
    same = ("recipe", "out", "changes", "smoke", "json")
    assert all(getattr(again, name) == getattr(settings, name) for name in same)


@pytest.mark.parametrize("failures", [{0: 3}, {0: 3, 1: -15}, {1: -15, 0: 3}])
def test_the_leaders_exit_code_is_the_commands(failures: dict[int, int]) -> None:
    assert launching.exit_code(failures) == 3


@pytest.mark.parametrize(
    ("failures", "says"),
    [
        ({1: -9}, "process 1 of this run was ended by signal 9"),
        ({1: 70, 0: -15}, "process 1 of this run ended with 70"),
        ({0: -9}, "process 0 of this run was ended by signal 9"),
    ],
)
def test_a_process_that_could_not_speak_is_spoken_for(failures: dict[int, int], says: str) -> None:
    with pytest.raises(EdgekitError, match=says):
        launching.exit_code(failures)


def test_processes_are_counted_from_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("r.yaml", "--processes", "0")
    assert "is not 1 or more" in capsys.readouterr().err


def test_a_process_knows_that_it_was_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")  # left by a cluster's shell, not by a launcher
    assert not launching.is_launched()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert launching.is_launched()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert not launching.is_launched()


@pytest.mark.slow
@pytest.mark.parametrize(("size", "code"), [("10MB", 0), ("10kB", 3)], ids=["PASS", "FAIL"])
def test_the_launcher_runs_two_processes_and_ends_as_the_leader(
    project: Path, tmp_path: Path, size: str, code: int
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "edgekit", "compress", project / "recipe.yaml"),
            *("--out", tmp_path / "out", "--device", "cpu", "--processes", "2"),
            *("--set", "steps.0.finetune.epochs=1", "--set", f"target.size={size}"),
        ],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == code, done.stderr
    assert (tmp_path / "out" / "tiny-onnx" / "manifest.json").is_file()
    assert done.stdout.count("report.html") == 1
    assert "Traceback" not in done.stderr

"""The checks of a GPU are themselves checked: their table, their end, all of them on the CPU."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.system import devices
from tests.gpu import check, trainings
from tests.gpu.findings import Finding, failed, skipped, table


@pytest.mark.parametrize(
    ("found", "verdict", "is_failed"),
    [
        (Finding("x", 1.0, 1.05, 0.1), "ok", False),
        (Finding("x", 1.0, 1.2, 0.1), "DIFFERS", True),
        (Finding("x", 1.0, 0.8, 0.1), "DIFFERS", True),
        (Finding("x", 1.0, math.nan, 0.1), "DIFFERS", True),
        (Finding("x", 1.0, 7.0), "told", False),
        (skipped("one GPU")[0], "skipped: one GPU", False),
        (failed("exit code -11")[0], "FAILED: exit code -11", True),
    ],
)
def test_only_numbers_within_their_bounds_pass(
    found: Finding, verdict: str, is_failed: bool
) -> None:
    assert (found.verdict, found.failed) == (verdict, is_failed)


def test_the_table_has_a_row_for_each_finding() -> None:
    rows = table([("a", [Finding("x", 1.0, 1.25, 0.1), *skipped("why")])]).splitlines()
    assert rows[2:] == ["| a | x | 1 | 1.25 | 0.1 | DIFFERS |", "| a |  |  |  |  | skipped: why |"]


def test_without_a_gpu_it_says_so_and_exits_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "find_gpu", lambda: None)
    assert check.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "finds no GPU" in said.err


def test_a_check_that_ends_badly_or_too_late_is_a_row_and_the_next_one_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["--device", "cpu", "--only", "bf16", "fp16", "memory", "--out", str(tmp_path)]
    run = subprocess.run

    def crash(command: list[str], **settings: object) -> subprocess.CompletedProcess[str]:
        if "bf16" in command:
            command = [sys.executable, "-c", "import os; os.abort()"]
        elif "fp16" in command:
            raise subprocess.TimeoutExpired(command, 7.0)
        return run(command, **settings)

    monkeypatch.setattr(check.subprocess, "run", crash)
    assert check.main(words) == 1
    told = capsys.readouterr().out
    assert "| bf16 |  |  |  |  | FAILED: exit code -6" in told
    assert "| fp16 |  |  |  |  | FAILED: stopped after " in told
    assert "| memory | micro-batches were halved (1: yes) | 1 | 1 | 0 | ok |" in told
    found = json.loads((tmp_path / "findings.json").read_text())
    assert set(found) == {"bf16", "fp16", "memory"}
    assert check.main([*words, "--minutes", "0"]) == 0
    assert capsys.readouterr().out.count("skipped: the time of all checks was up") == 3


def test_training_in_half_precision_and_in_little_memory_on_the_cpu(tmp_path: Path) -> None:
    found = [
        *trainings.in_half_precision("cpu", tmp_path / "half", "bf16"),
        *trainings.where_memory_is_small("cpu", tmp_path / "small"),
    ]
    assert [one.verdict for one in found if one.verdict not in ("ok", "told")] == []


@pytest.mark.slow
def test_all_checks_run_to_their_end_on_the_cpu(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--device", "cpu", "--samples", str(tmp_path), "--minutes", "30"]
    assert check.main(words) == 0
    told = capsys.readouterr().out
    assert all(f"| {name} | both sides, on tiny made-up models |" in told for name in check.CHECKS)

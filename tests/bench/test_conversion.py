"""The comparison with llama.cpp's programs: what is watched, and what its table says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.bench import conversion

MEGABYTES = 90


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_children_counts() -> None:
    child = f"held = b'1' * ({MEGABYTES} * 10**6); print('held', flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert len(list(conversion.family(process.pid))) == 2
        found = sum(map(conversion.anonymous_bytes, conversion.family(process.pid)))
        assert MEGABYTES < found / 1e6 < 2 * MEGABYTES
        process.communicate(b"\n")
    assert conversion.anonymous_bytes(process.pid) == 0


def test_a_program_is_watched_to_its_end() -> None:
    found = conversion.watch([sys.executable, "-c", "sum(range(10**6))"])
    assert found["cpu_seconds"] > 0
    assert found["seconds"] > 0


def test_a_program_that_fails_ends_the_run_with_its_words() -> None:
    with pytest.raises(SystemExit, match="no such thing"):
        conversion.watch([sys.executable, "-c", "raise SystemExit('no such thing')"])


def test_sides_are_summed_and_the_largest_part_is_the_peak() -> None:
    def part(seconds: float, peak: float) -> list[dict[str, float]]:
        one = {"seconds": seconds, "cpu_seconds": seconds, "peak_bytes": peak}
        return [one, {**one, "seconds": 100.0}, one]

    lines = conversion.table({
        "edgekit: convert": part(3, 1e8), "edgekit: prove": part(2, 4e8),
        "edgekit: quantize": part(5, 2e8), "llama.cpp: convert": part(7, 9e8),
        "llama.cpp: quantize": part(6, 5e8),
    }).splitlines()  # fmt: skip
    assert lines[-3:] == [
        "| **edgekit** | 10.0 | 10.0 | 400 |",
        "| **edgekit without the proof of predictions** | 8.0 | 8.0 | 200 |",
        "| **llama.cpp** | 13.0 | 13.0 | 900 |",
    ]

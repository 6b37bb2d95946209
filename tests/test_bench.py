"""A bench measures every side, in turns, in processes of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_artifact import TEXTS, make_artifact

from edgekit import bench as benches
from edgekit.bench import bench
from edgekit.bench_process import Child, Plan
from edgekit.errors import ArtifactError, EdgekitError, WorkerError
from edgekit.outcome import Built

NUMBERS = {
    "size_bytes", "folder_bytes", "p50_ms", "p95_ms", "cpu_ms", "texts_per_s", "cold_start_ms",
    "cold_start_cpu_ms", "peak_rss_bytes",
}  # fmt: skip


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return make_artifact(tmp_path / "tiny")


def plan(folder: Path, **request: Any) -> Plan:
    return Plan("artifact", {"folder": str(folder), "threads": 1, **request}, 1, 1)


def test_artifact_alone(artifact: Path) -> None:
    told: list[float] = []
    result = bench(artifact, TEXTS, threads=1, rounds=2, on_progress=told.append)
    assert set(result["artifact"]) == NUMBERS
    assert all(value > 0 for value in result["artifact"].values())
    assert result["artifact"]["p50_ms"] <= result["artifact"]["p95_ms"]
    assert result["artifact"]["size_bytes"] == (artifact / "model.onnx").stat().st_size
    assert result["threads"] == 1
    assert result["lengths"]["texts"] == len(TEXTS)
    assert result["lengths"]["p50"] <= result["lengths"]["max"]
    assert "ratio" not in result
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_against_its_teacher_there_are_ratios_and_the_same_answers(built: Built) -> None:
    texts = ["warm the room", "lamp on", "joue une chanson", "أطفئ الضوء"] * 3
    folder = built.artifacts[0].path
    result = bench(folder, texts, against=built.teacher, threads=1, rounds=1)
    sides = {"artifact", "torch_fp32", "ort_fp32"}
    assert all(set(result[side]) == NUMBERS for side in sides)
    assert set(result["ratio"]) == {"size", "torch_fp32", "ort_fp32"}
    weights = (built.teacher / "model.safetensors").stat().st_size
    model = (folder / "model.onnx").stat().st_size
    # The header of the weights' file is all that is not fp32.
    assert result["ratio"]["size"] == pytest.approx(weights / model, rel=0.05)
    for side in ("torch_fp32", "ort_fp32"):
        assert result["ratio_by_round"][side] == [result["ratio"][side]]
    # torch brings its own libraries into the process: no other side may carry them.
    assert result["torch_fp32"]["peak_rss_bytes"] > 1.5 * result["artifact"]["peak_rss_bytes"]
    # Both fp32 sides are the same function, so the artifact agrees with both alike.
    assert result["agreement"]["torch_fp32"] == result["agreement"]["ort_fp32"]


def test_sides_take_turns_in_every_order() -> None:
    orders = [tuple(benches._rotated("abc", turn)) for turn in range(6)]
    assert len(set(orders)) == 6


def test_many_texts_are_sampled_once_and_for_all(
    artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benches, "MAX_TEXTS", 5)
    results = [bench(artifact, list(TEXTS) * 9, rounds=1) for _ in range(2)]
    assert results[0]["lengths"] == results[1]["lengths"]
    assert results[0]["lengths"]["texts"] == 5


def test_a_side_that_dies_or_refuses_is_an_error(artifact: Path, tmp_path: Path) -> None:
    with Child(plan(artifact)) as side:
        side.open()
        side._process.kill()
        side._process.wait()
        with pytest.raises(WorkerError, match="artifact of the bench ended"):
            side.ask("one", texts=["lamp"])
    with (
        Child(plan(tmp_path / "nothing")) as side,
        pytest.raises(EdgekitError, match="no such folder"),
    ):
        side.open()
    with pytest.raises(ArtifactError, match="no such folder"):
        bench(tmp_path / "nothing", TEXTS)


def test_a_side_ends_with_the_bench(artifact: Path) -> None:
    with Child(plan(artifact)) as side:
        side.open()
    assert side._process.returncode is not None


def test_memory_of_a_side_is_its_own(artifact: Path) -> None:
    ballast = bytearray(400_000_000)
    ballast[::4096] = b"1" * len(ballast[::4096])
    with Child(plan(artifact)) as side:
        side.open()
        assert side.ask("usage")["peak_rss_bytes"] < 300_000_000

"""A bench measures every side, in turns, in processes of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgekit.artifact import folder as artifacts
from edgekit.bench import exports
from edgekit.bench import measure as benches
from edgekit.bench.asked import QUICK_TEXTS, Asked, OnProgress
from edgekit.bench.child import Child, SidePlan
from edgekit.build.outcome import Built
from edgekit.data.rows import read_rows
from edgekit.errors import ArtifactError, CheckpointError, EdgekitError, WorkerError
from edgekit.export.onnx.quantize import quantize
from edgekit.store.store import Store
from edgekit.system import paths
from edgekit.tasks.classification.proof import bench
from edgekit.tasks.classification.proof.bench_quality import quality
from tests.tiny import encoder as tiny
from tests.tiny.artifact import TEXTS, make_artifact

NUMBERS = {
    "size_bytes", "folder_bytes", "p50_ms", "p95_ms", "cpu_ms", "texts_per_s", "cold_start_ms",
    "cold_start_cpu_ms", "peak_rss_bytes",
}  # fmt: skip


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return make_artifact(tmp_path / "tiny")


def plan(folder: Path, **request: Any) -> SidePlan:
    module = "edgekit.tasks.classification.proof.sides"
    return SidePlan(module, "artifact", {"folder": folder, "threads": 1, **request}, 1, 1)


def measure(
    artifact: Path,
    *,
    against: Path | None = None,
    data: Path | None = None,
    rounds: int = 1,
    quick: bool = False,
    on_progress: OnProgress = lambda fraction: None,
) -> dict[str, Any]:
    asked = Asked(
        artifact=artifact,
        against=against,
        data=data,
        baseline=against is not None,
        quick=quick,
        threads=1,
        rounds=rounds,
    )
    return bench.run(asked, on_progress=on_progress)


def test_artifact_alone(artifact: Path) -> None:
    told: list[float] = []
    result = measure(artifact, rounds=2, on_progress=told.append)
    assert set(result["artifact"]) == NUMBERS
    assert all(value > 0 for value in result["artifact"].values())
    assert result["artifact"]["p50_ms"] <= result["artifact"]["p95_ms"]
    assert result["artifact"]["size_bytes"] == (artifact / "model.onnx").stat().st_size
    assert result["threads"] == 1
    assert result["lengths"]["texts"] == len(TEXTS)  # those of its self-test
    assert result["lengths"]["p50"] <= result["lengths"]["max"]
    assert "ratio" not in result
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.fixture
def store() -> Iterator[Store]:
    """The one of all tests of this run, so that each export is made once."""
    with Store(paths.store_dir()) as store:
        yield store


def test_against_its_teacher_there_are_ratios_and_the_same_answers(
    built: Built, store: Store, tmp_path: Path
) -> None:
    data = tmp_path / "texts.txt"
    data.write_text("warm the room\nlamp on\njoue une chanson\nأطفئ الضوء\n" * 3, "utf-8")
    folder = built.artifacts[0].path
    stand_in(store, built.teacher)
    result = measure(folder, against=built.teacher, data=data)
    sides = {"artifact", "torch_fp32", "ort_fp32", "optimum_int8"}
    assert all(set(result[side]) == NUMBERS for side in sides)
    others = {"torch_fp32", "ort_fp32", "optimum_int8"}
    assert set(result["ratio"]) == {"size", "size_optimum_int8", *others}
    weights = (built.teacher / "model.safetensors").stat().st_size
    model = (folder / "model.onnx").stat().st_size
    # The header of the weights' file is all that is not fp32.
    assert result["ratio"]["size"] == pytest.approx(weights / model, rel=0.05)
    optimum = result["optimum_int8"]["size_bytes"]
    assert result["ratio"]["size_optimum_int8"] == pytest.approx(optimum / model, rel=1e-3)
    assert optimum < result["ort_fp32"]["size_bytes"] / 2
    for side in others:
        assert result["ratio_by_round"][side] == [result["ratio"][side]]
    # torch brings its own libraries into the process: no other side may carry them.
    assert result["torch_fp32"]["peak_rss_bytes"] > 1.5 * result["artifact"]["peak_rss_bytes"]
    # Both fp32 sides are the same function, so the artifact agrees with both alike.
    assert result["agreement"]["torch_fp32"] == result["agreement"]["ort_fp32"]


def stand_in(store: Store, checkpoint: Path) -> None:
    """Puts edgekit's own export where optimum's is looked for, which takes an environment of its
    own to make: see test_baseline.py."""

    def make(folder: Path) -> dict[str, Any]:
        quantize(exports.fp32(store, checkpoint), folder / "model.onnx", scheme="s8")
        return {}

    store.run(exports.OPTIMUM, exports.optimum_inputs(checkpoint), make)


def test_the_teacher_is_exported_once_and_the_store_counts_it(built: Built, store: Store) -> None:
    first = exports.fp32(store, built.teacher)
    made = first.stat().st_mtime_ns
    assert exports.fp32(store, built.teacher).stat().st_mtime_ns == made
    (entry,) = (entry for entry in store.entries() if entry.name == "bench-fp32")
    assert entry.size_bytes > first.stat().st_size
    assert entry.in_use


@pytest.mark.parametrize(
    ("features", "preset"),
    [
        ({"avx2", "fma"}, "avx2"),
        ({"avx2", "avx512f"}, "avx512"),
        ({"avx2", "avx512f", "vnni"}, "avx512_vnni"),
        ({"avx2", "vnni"}, "avx512_vnni"),
        ({"neon", "dotprod"}, "arm64"),
        (set(), "avx2"),
    ],
)
def test_optimum_is_asked_for_its_best_on_this_cpu(features: set[str], preset: str) -> None:
    assert exports.preset_for(features) == preset


def test_a_teacher_that_cannot_be_exported_is_an_error(
    built: Built, store: Store, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(built.teacher, tmp_path / "broken"))
    (broken / "config.json").write_text('{"auto_map": {}}')
    with pytest.raises(EdgekitError, match="to compare with it failed"):
        exports.fp32(store, broken)


def test_quality_is_that_of_the_build_and_optimum_has_its_own(
    built: Built, store: Store, made_project: Path
) -> None:
    rows = read_rows(made_project / "data/test.csv")
    folder = built.artifacts[0].path
    stand_in(store, built.teacher)
    result = quality(store, folder, rows, against=built.teacher)
    wanted = artifacts.read(folder).manifest.quality
    assert result["rows"] == wanted["rows"] == len(rows)
    assert result["artifact"]["macro_f1"] == wanted["artifact"]["macro_f1"]
    assert result["artifact"]["kept"] == pytest.approx(wanted["kept"])
    assert result["teacher"]["macro_f1"] == wanted["teacher"]["macro_f1"]
    assert set(result["optimum_int8"]) == {
        "accuracy", "macro_f1", "kept", "worst_language", "agreement",
    }  # fmt: skip
    assert result["optimum_int8"]["agreement"] > 0.5
    kept = {entry.name: entry.in_use for entry in store.entries()}
    assert kept["bench-answers"]
    assert kept["bench-optimum"]
    assert quality(store, folder, rows, against=built.teacher) == result


def test_quality_needs_the_teacher_of_these_labels(
    built: Built, store: Store, made_project: Path, tmp_path: Path
) -> None:
    other = tiny.make_encoder(tmp_path, labels=("a", "b", "c"))
    rows = read_rows(made_project / "data/test.csv")
    with pytest.raises(CheckpointError, match="are not those of the artifact"):
        quality(store, built.artifacts[0].path, rows, against=other)


def test_sides_take_turns_in_every_order() -> None:
    orders = [tuple(benches._rotated("abc", turn)) for turn in range(6)]
    assert len(set(orders)) == 6


def test_many_texts_are_sampled_once_and_for_all(artifact: Path, tmp_path: Path) -> None:
    data = tmp_path / "texts.txt"
    data.write_text("\n".join([*TEXTS] * 9), "utf-8")
    results = [measure(artifact, data=data, quick=True) for _ in range(2)]
    assert results[0]["lengths"] == results[1]["lengths"]
    assert results[0]["lengths"]["texts"] == QUICK_TEXTS < 9 * len(TEXTS)


def test_a_side_that_dies_or_refuses_is_an_error(artifact: Path, tmp_path: Path) -> None:
    with Child(plan(artifact)) as side:
        side.open()
        side._process.kill()
        side._process.wait()
        with pytest.raises(WorkerError, match="artifact of the bench ended"):
            side.ask("one", {"texts": ["lamp"]})
    with (
        Child(plan(tmp_path / "nothing")) as side,
        pytest.raises(EdgekitError, match="no such folder"),
    ):
        side.open()
    with pytest.raises(ArtifactError, match="no such folder"):
        measure(tmp_path / "nothing")


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

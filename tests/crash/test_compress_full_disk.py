"""The disk fills up while `edgekit compress` works: one sentence, and no work is lost."""

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.forked import POINTS

TIMES = os.environ.get("EDGEKIT_CRASH_TIMES")
pytestmark = pytest.mark.usefixtures("has_small_disk")

# Room for part of a model, so that it is met in the midst of a file.
PART = 100_000
PAGE = 4096
# After these enough is removed, or nothing more is written, and the run ends well.
ENOUGH = {"finetune:sealed", "judge:sealed", "judge:renamed", "judge:finished"}


@pytest.fixture
def full(fresh, small_disk):
    """Runs on the small disk, which fills up at a point; then again with the room back."""

    def on(place, point, spare_bytes):
        folder = str(small_disk / "here")
        run = replace(fresh, **{place: folder})
        remove, copy = (run.cache, run.out), ((fresh.copy[0][0], run.cache),)
        return replace(
            run,
            remove=remove,
            copy=copy,
            fill=str(small_disk),
            fill_at=point,
            spare_bytes=spare_bytes,
        )

    return on


def check(forked, run, undisturbed):
    full = forked.run(run)
    assert full.code == 1, full.stderr
    assert "Traceback" not in full.stderr
    (told,) = [line for line in full.stderr.splitlines() if line.startswith("edgekit: ")]
    assert "the disk is full" in told
    again = forked.run(run.again())
    assert (again.code, again.left) == (0, undisturbed.left), again.stderr
    return told, full, again


STORE_POINTS = [point for point in POINTS if point not in ENOUGH] if TIMES else ["finetune:begun"]


@pytest.mark.parametrize("point", STORE_POINTS)
def test_the_disk_of_the_store(forked, full, undisturbed, point):
    run = full("cache", point, 0 if TIMES else PART)
    told, _, again = check(forked, run, undisturbed)
    assert run.cache in told
    assert "EDGEKIT_CACHE" in told
    assert again.unfinished == []


@pytest.fixture
def artifact_bytes(undisturbed, quiet_run):
    """What the artifact takes of a disk, in pages."""
    files = Path(quiet_run.out, "tiny-onnx").iterdir()
    return sum(PAGE * math.ceil(path.stat().st_size / PAGE) for path in files)


def test_the_disk_of_the_output_while_the_teacher_is_placed(forked, full, undisturbed):
    told, full_run, again = check(forked, full("out", "teacher:finished", PART), undisturbed)
    assert "'teacher' needs more" in told
    assert "--out" in told
    assert full_run.left == {}
    assert again.points[0] == "onnx-export:begun"


def test_the_disk_of_the_output_while_the_artifact_is_placed(forked, full, undisturbed):
    told, full_run, again = check(forked, full("out", "judge:finished", PART), undisturbed)
    assert "'tiny-onnx' needs more" in told
    assert "--out" in told
    assert sorted(full_run.left) == ["teacher"]
    assert again.points == []


def test_the_disk_of_the_output_while_the_report_is_written(
    forked, full, undisturbed, artifact_bytes
):
    run = full("out", "judge:finished", artifact_bytes + PAGE)
    told, full_run, again = check(forked, run, undisturbed)
    assert "the report needs more" in told
    assert "--out" in told
    assert sorted(full_run.left) == ["measured.json", "teacher", "tiny-onnx"]
    assert again.points == []

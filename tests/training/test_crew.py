"""Two processes on gloo against one; see forked_crew.py for what they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scratch = tmp_path_factory.mktemp("crew") / "project"
    subprocess.run(
        [sys.executable, "-P", "-m", "tests.training.forked_crew", scratch],
        check=True,
        timeout=280,
        env={
            **os.environ,
            # It imports what this process can, tests too: pytest put their root on the path.
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "EDGEKIT_CACHE": str(scratch.parent / "cache"),
            "OMP_NUM_THREADS": "1",  # a forked process must find no threads of OpenMP's
        },
    )
    return scratch


def ended(ran: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((ran / f"{name}.ended.json").read_text()))


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_two_processes_train_the_same_weights_as_one(ran: Path) -> None:
    assert ended(ran, "shared")["codes"] == [0, 0], ended(ran, "shared")
    alone, shared = (load_file(ran / f"{name}.safetensors") for name in ("alone", "shared"))
    begun = load_file(ran / "encoder" / "model.safetensors")
    moved = furthest(begun, {name: alone[f"bert.{name}"] for name in begun})
    assert furthest(alone, shared) < moved / 1000
    # No process used it: zeros for its gradient would have let it decay.
    assert torch.equal(shared["idle"], torch.ones(3, 3))


def test_a_shared_training_that_was_cut_ends_with_the_same_weights(ran: Path) -> None:
    assert ended(ran, "cut")["codes"][0] == 1
    assert ended(ran, "resumed")["codes"] == [0, 0], ended(ran, "resumed")
    shared, resumed = (load_file(ran / f"{name}.safetensors") for name in ("shared", "cut"))
    assert furthest(shared, resumed) == 0.0


def test_one_processs_gpu_may_hold_less_than_the_others(ran: Path) -> None:
    assert ended(ran, "memory")["codes"] == [0, 0], ended(ran, "memory")
    alone, shared = (load_file(ran / f"{name}.safetensors") for name in ("alone", "memory"))
    assert furthest(alone, shared) < 1e-4
    notes = json.loads((ran / "memory.json").read_text())["notes"]
    assert notes == ["the GPU's memory held 1 rows at once instead of 4; every update still took 8"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no-memory", "the GPU's memory of another process does not hold one row"),
        ("gone", "one of 2 processes ended, or did not answer within"),
        ("stuck", "one of 2 processes ended, or did not answer within"),
    ],
)
def test_a_process_that_cannot_go_on_ends_all_in_one_sentence(
    ran: Path, name: str, says: str
) -> None:
    end = ended(ran, name)
    assert end["codes"][0] == 1, end
    assert says in end["said"][0]
    assert end["seconds"] < 120


def test_the_command_builds_the_same_in_two_processes(ran: Path) -> None:
    assert ended(ran, "compress-alone")["codes"] == [0], ended(ran, "compress-alone")
    assert ended(ran, "compress-shared")["codes"] == [0, 0], ended(ran, "compress-shared")
    alone, shared = (
        load_file(ran / f"out-{name}" / "teacher" / "model.safetensors")
        for name in ("alone", "shared")
    )
    assert furthest(alone, shared) < 1e-4
    answers = [(ran / f"out-{name}" / "tiny-onnx").is_dir() for name in ("alone", "shared")]
    assert answers == [True, True]

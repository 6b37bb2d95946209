from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.build import build, outcome, plan
from edgekit.build.outcome import Built, StepTaken
from edgekit.recipe import recipe
from edgekit.store.store import Store
from edgekit.system import machine


def test_two_steps_of_one_name_are_told_apart(built: Built) -> None:
    estimate = {"step": "finetune", "seconds": 1.0, "peak_bytes": 1}
    one, other = (
        StepTaken(of, seconds, peak_bytes=10, reused=False) for of, seconds in ((0, 3.0), (1, 5.0))
    )
    lines = outcome.compared(replace(built, estimates=[estimate] * 2, steps=(one, other, one)))
    assert [line["took"]["seconds"] for line in lines] == [6.0, 5.0]


def test_what_is_made_inside_a_step_is_counted_once(made_project: Path, tmp_path: Path) -> None:
    planned = plan.make(recipe.read(made_project / "recipe.yaml"))
    with Store(tmp_path, budget_bytes=10**9) as store:
        work = build.Build(planned, store, lambda event: None)

        def part(folder: Path, on_progress: object) -> dict:
            time.sleep(1.0)
            return {}

        def step(folder: Path, on_progress: object) -> dict:
            work._run("logits", {}, part, of=1)
            return {}

        began = time.monotonic()
        work._run("distill", {}, step, of=1)
        assert sum(one.seconds for one in work.taken) <= time.monotonic() - began
        assert [one.of for one in work.taken] == [1, 1]


def test_a_file_that_cannot_be_written_leaves_the_old_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "measured.json"
    machine.write_safely(path, b"old")

    def fail(path: Path) -> None:
        raise OSError("somebody looks into it")

    monkeypatch.setattr(machine, "sync_file", fail)
    with pytest.raises(OSError, match="somebody"):
        machine.write_safely(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["measured.json"]

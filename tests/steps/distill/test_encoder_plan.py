"""What of a distillation is known, and refused, before a weight loads; other students."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgekit.checkpoint.describe import describe
from edgekit.errors import RecipeError
from edgekit.job.job import Job
from edgekit.steps.distill.encoder import plan as distill
from edgekit.steps.distill.encoder.run import run as run_distill
from edgekit.steps.distill.settings import DistillSettings
from tests.steps.distill.students import QUICK, other_checkpoint, planned_at
from tests.tiny import encoder as tiny


@pytest.mark.parametrize(
    "settings",
    [{"layers": 1}, {}, {"student": "static", "width": 16}, {"student": "other"}],
    ids=["layers", "all", "static", "other"],
)
def test_the_plan_knows_what_comes_out(job: Job, settings: dict[str, Any], project: Path) -> None:
    other_checkpoint(project / "other")
    given = DistillSettings(**{**QUICK, "epochs": 1, **settings})
    planned = planned_at(project, job.teacher)
    distill.check(given, planned)
    run_distill(given, dataclasses.replace(job, resolve=planned.resolve))
    after, found = distill.after(given, planned).description, describe(job.out)
    for name in ("model_type", "layers", "hidden", "heads", "ffn", "vocabulary", "labels"):
        assert getattr(after, name) == getattr(found, name), name
    assert after.parameters == pytest.approx(found.parameters, rel=0.05)
    assert after.embedding_parameters == pytest.approx(found.embedding_parameters, rel=0.1)
    cost = distill.cost(given, planned)
    assert cost.seconds > 0
    assert cost.peak_bytes > after.fp32_bytes
    assert bool(given.files) is (settings.get("student") == "other")


def test_another_checkpoint_learns_with_its_own_tokenizer(job: Job, tmp_path: Path) -> None:
    folder = other_checkpoint(tmp_path / "other")
    given = DistillSettings(
        student=str(folder), epochs=25, patience=25, batch_size=16, learning_rate=3e-3, augment=1
    )
    done = run_distill(given, job)
    assert (job.out / "tokenizer.json").read_text() == (folder / "tokenizer.json").read_text()
    assert describe(job.out).hidden == 32
    assert done["proof"]["agreement"] > 0.7
    assert done["notes"] == []


REFUSED: dict[str, tuple[dict[str, Any], Callable[[Path], object], str]] = {
    "order": (
        {"student": "other"},
        lambda folder: other_checkpoint(folder, labels=("light", "heat", "music")),
        "the teacher's labels in another order (number 0 is 'light' instead of 'heat')",
    ),
    "other labels": (
        {"student": "other"},
        lambda folder: other_checkpoint(folder, labels=("heat", "light", "song")),
        "other labels than the teacher (only one of them knows 'music')",
    ),
    "short window": (
        {"student": "other"},
        lambda folder: other_checkpoint(folder, window=32),
        "reads 32 tokens at once, and the recipe's window is 64; set max_tokens: 32",
    ),
    "no such layer": (
        {"layers": [0, 2]},
        lambda folder: None,
        "keeps layer 2, and the model has the layers 0 to 1",
    ),
}


@pytest.mark.parametrize(("settings", "prepare", "sentence"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_taught_is_refused_before_a_weight_loads(
    settings: dict[str, Any],
    prepare: Callable[[Path], object],
    sentence: str,
    project: Path,
    teacher: Path,
) -> None:
    prepare(project / "other")
    planned = planned_at(project, teacher)
    with pytest.raises(RecipeError) as caught:
        distill.check(DistillSettings(**settings), planned)
    assert sentence in str(caught.value)


def test_a_model_without_a_head_cannot_teach(project: Path) -> None:
    planned = planned_at(project, tiny.make_encoder(project / "bare"))
    with pytest.raises(RecipeError, match="put the step finetune before distill"):
        distill.check(DistillSettings(layers=1), planned)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"layers": 2, "student": "static"}, "layers"),
        ({"layers": 0}, "layers"),
        ({"layers": [2, 1]}, "layers"),
        ({"layers": []}, "layers"),
        ({"width": 64}, "width"),
        ({"keep": 0.99}, "keep"),
        ({"layers": [0, 1], "keep": 0.99}, "keep"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=f"'{key}'"):
        DistillSettings(**settings)

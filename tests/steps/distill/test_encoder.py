"""A teacher of two layers, trained for a moment, and what students learn from it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgekit.checkpoint.describe import describe
from edgekit.data.rows import Row
from edgekit.errors import StepError
from edgekit.job.job import Job
from edgekit.steps.distill.encoder import run as distilling
from edgekit.steps.distill.encoder.run import run as run_distill
from edgekit.steps.distill.settings import DistillSettings
from edgekit.tasks.classification.proof.head import Head
from edgekit.training import loop as training
from edgekit.training import teacher
from tests.steps.distill.students import QUICK, changed, logits, stored, weights
from tests.tiny import encoder as tiny


@pytest.mark.parametrize(
    "settings",
    [{"layers": 1}, {"layers": [1], "match_states": 0.0}, {}, {"student": "static", "width": 32}],
    ids=["first", "numbered", "all", "static"],
)
def test_a_student_answers_as_its_teacher(job: Job, settings: dict[str, Any]) -> None:
    given = DistillSettings(**{**QUICK, "epochs": 8, "learning_rate": 3e-3, **settings})
    done = run_distill(given, job)
    wanted, found = logits(job.teacher, job), logits(job.out, job)
    alike = found.argmax(axis=1) == wanted.argmax(axis=1)
    assert alike.mean() > 0.9
    assert done["proof"]["agreement"] == pytest.approx(alike.mean(), abs=1e-6)
    spoken = np.array([row.language for row in job.dataset.validation])
    for language, part in done["proof"]["by_language"].items():
        assert part["agreement"] == pytest.approx(alike[spoken == language].mean(), abs=1e-6)
    assert sorted(done["proof"]["by_language"]) == ["ar", "en", "fr"]
    assert describe(job.out).labels == describe(job.teacher).labels
    assert (job.out / "LICENSE").is_file()


def test_states_are_matched_whatever_their_width() -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(5, 8, generator=generator)
    turned = torch.linalg.qr(torch.randn(8, 8, generator=generator))[0]
    wider = torch.cat([states @ turned, torch.zeros(5, 4)], dim=-1)
    assert distilling._distance(states, states) == 0
    assert distilling._distance(states, states @ turned) > 0.1
    # The same similarities, though no number is the same.
    assert distilling._distance(states, wider) < 1e-6
    assert distilling._distance(states, wider.flip(0)) > 1e-2


def test_the_teacher_is_asked_once_and_kept_in_half_floats(job: Job) -> None:
    run_distill(DistillSettings(**QUICK, layers=1), job)
    run_distill(DistillSettings(**{**QUICK, "temperature": 4.0}, layers=[0]), changed(job))
    [folder] = stored(job, "teacher-logits")
    kept = np.load(folder / "logits.npy")
    assert kept.dtype == np.float16
    rows = len(job.dataset.validation)
    assert np.allclose(kept[-rows:], logits(job.teacher, job), atol=0.01)
    # Other texts are another question.
    run_distill(DistillSettings(**{**QUICK, "augment": 0}, layers=1), changed(job))
    assert len(stored(job, "teacher-logits")) == 2


def test_states_beyond_the_bound_are_left_out_and_that_is_said(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teacher, "MOST_STATE_BYTES", 1000)
    done = run_distill(DistillSettings(**QUICK, layers=1), job)
    assert done["notes"] == [
        "hidden states were not matched: the teacher's would take too much memory"
    ]
    [folder] = stored(job, "teacher-logits")
    assert not (folder / "states.npy").exists()


def test_unlabeled_texts_teach_too(job: Job) -> None:
    dataset = dataclasses.replace(job.dataset, unlabeled=("lamp here", "lamp here", "no lamp", "x"))
    given = DistillSettings(**{**QUICK, "augment": 0, "unlabeled": 2}, layers=1)
    done = run_distill(given, dataclasses.replace(job, dataset=dataset))
    assert done["after"]["texts"] == len(job.dataset.train) + 2


class PowerCut(Exception):
    pass


@pytest.mark.parametrize("settings", [{"layers": 1}, {"student": "static", "width": 16}])
def test_a_distillation_that_was_cut_ends_with_the_same_weights(
    job: Job, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", -1.0)
    given = DistillSettings(**QUICK, **settings)
    run_distill(given, job)
    updates = 0

    def cut(fraction: float) -> None:
        nonlocal updates
        updates += 1
        if updates == 7:
            raise PowerCut

    again = changed(job, on_progress=cut)
    with pytest.raises(PowerCut):
        run_distill(given, again)
    begun = updates
    run_distill(given, again)
    assert updates > begun
    wanted, found = weights(job.out), weights(again.out)
    assert wanted.keys() == found.keys()
    for name, weight in wanted.items():
        assert torch.equal(weight, found[name]), name


def test_the_time_limit_leaves_a_student(job: Job) -> None:
    done = run_distill(DistillSettings(**QUICK, layers=1, max_minutes=1e-6), job)
    assert done["training"]["stopped"].startswith("time limit")
    assert describe(job.out).layers == 1


def test_a_tie_goes_to_the_smaller_divergence_and_never_outweighs_a_row() -> None:
    wanted = np.array([[2.0, 0.0], [0.0, 2.0], [3.0, 0.0]])
    near, far = wanted + 0.1 * np.eye(3, 2), wanted * 9

    def nearness(found: np.ndarray) -> float:
        return distilling.nearness(Head(("a", "b")), found, wanted)

    assert nearness(near) > nearness(far)
    flipped = wanted.copy()
    flipped[0] = [0.0, 1e-6]
    assert nearness(far) > nearness(flipped)


def test_a_teacher_worse_than_chance_is_refused_with_its_number(
    job: Job, teacher: Path, tmp_path: Path
) -> None:
    wrong = shutil.copytree(teacher, tmp_path / "wrong")
    path = wrong / "config.json"
    labels = ["music", "heat", "light"]
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "id2label": dict(enumerate(labels))}))
    dataset = dataclasses.replace(job.dataset, labels=tuple(labels))
    spoiled = dataclasses.replace(job, teacher=wrong, teacher_digest="wrong", dataset=dataset)
    with pytest.raises(StepError, match=r"answers \d+\.\d% of .* worse than chance \(\d+\.\d%\)"):
        run_distill(DistillSettings(**QUICK, layers=1), spoiled)


@pytest.mark.parametrize("answer", [0, 1, 2])
def test_a_teacher_that_always_says_the_same_is_no_worse_than_chance(answer: int) -> None:
    rows = [Row("", label=tiny.LABELS[number % 3]) for number in range(90)]
    Head(tiny.LABELS).check(np.eye(3)[np.full(90, answer)], rows)

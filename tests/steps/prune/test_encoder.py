"""Pruning a tiny model that was trained for a moment: what goes, what stays, what is refused."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from edgekit.build import build, plan
from edgekit.build.outcome import Built
from edgekit.checkpoint import models, units
from edgekit.checkpoint.describe import describe
from edgekit.data.rows import Row
from edgekit.errors import RecipeError, StepError
from edgekit.job.job import Job, Make
from edgekit.job.plan import Plan
from edgekit.recipe import dataset as data
from edgekit.recipe import recipe
from edgekit.runtime.tokens import TextTokenizer
from edgekit.steps.distill.encoder import plan as distill
from edgekit.steps.distill.encoder.run import run as run_distill
from edgekit.steps.finetune.encoder.run import run as run_finetune
from edgekit.steps.finetune.settings import FinetuneSettings
from edgekit.steps.prune.encoder import calibration, tuning
from edgekit.steps.prune.encoder import plan as prune
from edgekit.steps.prune.encoder.plan import PruneSettings
from edgekit.steps.prune.encoder.run import run as run_prune
from edgekit.store.store import Finished
from edgekit.system.digest import sha256_folder
from edgekit.training import predict
from edgekit.training.batches import examples
from tests.tiny import encoder as tiny

TEXTS = [*tiny.texts()[::9], "lamp"]


@pytest.fixture(scope="module")
def teacher(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny classifier; its second layer has a dead head, and each layer 32 dead neurons."""
    folder = tmp_path_factory.mktemp("teacher") / "checkpoint"
    model = models.load_classifier(built.teacher)
    with torch.no_grad():
        for layer in units.layers(model):
            layer.matrix("output.dense").weight[:, 40:72] = 0
        layer.matrix("attention.output.dense").weight[:, 16:32] = 0
    models.save(model, folder, source=built.teacher)
    return folder


def answers(folder: Path) -> np.ndarray:
    return predict.logits(folder, TEXTS, max_tokens=64)


def test_what_the_answers_do_not_need_goes_first(job: Job) -> None:
    """64 of 256 neurons and one of 8 heads are dead: without them the answers are the same."""
    done = run_prune(PruneSettings(heads=0.125, ffn=0.25), job)
    assert done["after"]["heads"] == [4, 3]
    assert done["after"]["ffn"] == [96, 96]
    assert done["tuned"] is True
    assert np.abs(answers(job.out) - answers(job.checkpoint)).max() < 1e-2
    assert done["proof"]["agreement"] == 1
    assert set(done["proof"]["agreement_by_language"]) == set(tiny.LANGUAGES)
    found = describe(job.out)
    removed = 4 * 64 * 16 + 3 * 16 + 2 * 32 * (2 * 64 + 1)
    assert found.parameters == job.description.parameters - removed


def test_the_weights_alone_can_decide(job: Job) -> None:
    """Dead units have no magnitude; nothing is fitted, so the answers stay equal."""
    done = run_prune(PruneSettings(heads=0.125, ffn=0.25, method="magnitude"), job)
    assert (done["after"]["heads"], done["after"]["ffn"]) == ([4, 3], [96, 96])
    assert (done["tuned"], done["texts"]) == (False, 0)
    assert np.abs(answers(job.out) - answers(job.checkpoint)).max() < 1e-5


def test_texts_tell_more_than_weights(job: Job) -> None:
    whole, lost = answers(job.checkpoint), {}
    for method in ("fisher", "magnitude"):
        out = dataclasses.replace(job, out=job.out / method)
        run_prune(PruneSettings(heads=0.5, ffn=0.75, method=method), out)
        lost[method] = float(np.square(answers(out.out) - whole).mean())
    assert lost["fisher"] < lost["magnitude"]


def test_the_fit_makes_up_for_what_is_gone(job: Job) -> None:
    original, pruned = (models.load_classifier(job.checkpoint) for _ in range(2))
    for layer in units.layers(pruned):
        units.keep_neurons(layer, range(0, 128, 4))
        units.keep_heads(layer, [0, 3])
    encoder = TextTokenizer(job.checkpoint / "tokenizer.json", max_tokens=64)
    texts = calibration.read(
        calibration.choose_texts(job.dataset, seed=7),
        encoder, most_texts=500, most_tokens=10**6, pad=1, device="cpu",
    )  # fmt: skip
    assert _distance(pruned, original, job) > 4 * _distance(
        _tuned(pruned, original, texts), original, job
    )


def _tuned(pruned: Any, original: Any, texts: calibration.Calibration) -> Any:
    tuning.tune(pruned, original, texts, kept=(0, 1), on_progress=lambda fraction: None)
    return pruned


def _distance(one: Any, other: Any, job: Job) -> float:
    """On texts that took no part in the fit."""
    texts = [row.text for row in job.dataset.validation]
    encoder = TextTokenizer(job.checkpoint / "tokenizer.json", max_tokens=64)
    items = examples(encoder, texts)
    logits = [predict.answers(model, items, rows=len(texts)).logits for model in (one, other)]
    return float(np.square(logits[0] - logits[1]).mean())


def test_the_layer_that_matters_least_goes(job: Job, tmp_path: Path) -> None:
    """One more layer, that hands on what it is given, is the one to go; the fit keeps the rest."""
    model = models.load_classifier(job.checkpoint)
    idle = copy.deepcopy(units.layer_list(model)[0])
    for name in ("attention.output.dense", "output.dense"):
        torch.nn.init.zeros_(idle.get_submodule(name).weight)
        torch.nn.init.zeros_(idle.get_submodule(name).bias)
    units.layer_list(model).insert(1, idle)
    model.config.num_hidden_layers = 3
    models.save(model, tmp_path / "deep", source=job.checkpoint)
    job = dataclasses.replace(
        job, checkpoint=tmp_path / "deep", description=describe(tmp_path / "deep")
    )
    done = run_prune(PruneSettings(layers=2), job)
    assert done["after"]["kept_layers"] == [0, 2]
    assert describe(job.out).layers == 2
    assert done["proof"]["agreement"] > 0.95
    named = dataclasses.replace(job, out=tmp_path / "named")
    assert run_prune(PruneSettings(layers=[1, 2]), named)["after"]["kept_layers"] == [1, 2]


def test_the_same_seed_gives_the_same_bytes(job: Job) -> None:
    settings = PruneSettings(heads=0.25, ffn=0.5, layers=2)
    folders = [job.out / name for name in ("first", "second")]
    for folder in folders:
        run_prune(settings, dataclasses.replace(job, out=folder))
    assert sha256_folder(folders[0]) == sha256_folder(folders[1])


def test_nothing_to_remove_is_said(job: Job) -> None:
    done = run_prune(PruneSettings(heads=0.0, ffn=0.0, layers=5), job)
    assert done["notes"] == ["nothing changed: all heads, neurons and layers stay"]
    assert done["tuned"] is False
    assert np.array_equal(answers(job.out), answers(job.checkpoint))


def test_what_was_pruned_is_trained_and_pruned_again(job: Job, tmp_path: Path) -> None:
    run_prune(PruneSettings(heads=0.25, ffn=0.5), job)
    again = dataclasses.replace(
        job, checkpoint=job.out, description=describe(job.out), out=tmp_path / "trained"
    )
    run_finetune(FinetuneSettings(epochs=1), again)
    assert describe(again.out).parameters == describe(job.out).parameters
    taught = dataclasses.replace(again, out=tmp_path / "taught")
    run_distill(distill.DistillSettings(epochs=1, augment=0), taught)
    assert describe(taught.out).parameters == describe(job.out).parameters
    last = dataclasses.replace(again, checkpoint=taught.out, out=tmp_path / "last")
    done = run_prune(PruneSettings(ffn=0.5), last)
    assert sum(done["after"]["ffn"]) == 64


def test_a_speedup_is_searched_with_the_machines_table_once(job: Job) -> None:
    measured: list[str] = []

    def counted(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
        def count(out: Path, on_progress: Callable[[float], None]) -> Mapping[str, Any]:
            measured.append(name)
            return make(out, on_progress)

        return job.run_stored(name, inputs, count)

    results = []
    for name in ("first", "resumed"):
        one = dataclasses.replace(job, out=job.out / name, run_stored=counted)
        results.append(run_prune(PruneSettings(latency=1.3), one))
    assert measured == ["latency-table"]
    assert results[0] == results[1]
    assert results[0]["expected_speedup"] >= 1.3
    assert describe(job.out / "first").parameters < job.description.parameters


def test_a_speedup_with_a_count_of_layers_keeps_that_count(job: Job) -> None:
    assert run_prune(PruneSettings(latency=1.01, layers=1), job)["after"]["heads"] == [4]


def test_a_speedup_out_of_reach_is_told(job: Job) -> None:
    with pytest.raises(StepError, match=r"at most latency: \d+(\.\d)? can be met"):
        run_prune(PruneSettings(latency=1000.0), job)


def test_a_model_worse_than_chance_is_not_pruned(job: Job, tmp_path: Path) -> None:
    config = job.checkpoint / "config.json"
    wrong = Path(shutil.copytree(job.checkpoint, tmp_path / "wrong"))
    labels = {"0": "light", "1": "music", "2": "heat"}
    (wrong / "config.json").write_text(
        json.dumps({**json.loads(config.read_text()), "id2label": labels})
    )
    dataset = dataclasses.replace(job.dataset, labels=tuple(labels.values()))
    with pytest.raises(StepError, match="worse than chance"):
        run_prune(
            PruneSettings(ffn=0.5), dataclasses.replace(job, checkpoint=wrong, dataset=dataset)
        )


def test_every_language_and_free_texts_take_turns() -> None:
    rows = [Row(text=f"{lang} {n}", label="a", language=lang) for lang in "xy" for n in range(9)]
    dataset = data.Dataset(
        labels=("a",), train=tuple(rows[:12]), validation=(), test=(), digests={},
        unlabeled=tuple(f"free {n}" for n in range(40)),
    )  # fmt: skip
    chosen = list(calibration.choose_texts(dataset, seed=1))
    assert len(chosen) == len(set(chosen)) == 52
    assert sum(text.startswith("free") for text in chosen[:12]) == 6
    assert sum(text.startswith("y") for text in chosen[:12]) == 3
    assert chosen != list(calibration.choose_texts(dataset, seed=2))


def test_texts_are_read_within_both_bounds(job: Job) -> None:
    encoder = TextTokenizer(job.checkpoint / "tokenizer.json", max_tokens=64)
    few = calibration.read(TEXTS, encoder, most_texts=5, most_tokens=10**6, pad=1, device="cpu")
    assert few.texts == sum(len(batch["input_ids"]) for batch in few.batches) == 5
    short = calibration.read(TEXTS, encoder, most_texts=99, most_tokens=40, pad=1, device="cpu")
    assert 1 <= short.texts < 10
    assert short.tokens <= 40
    assert short.tokens == sum(int(b["attention_mask"].sum()) for b in short.batches)


BAD_SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "is missing: say what to remove"),
    "latency and ffn": ({"latency": 2.0, "ffn": 0.5}, "decides 'ffn' by itself"),
    "latency by magnitude": ({"latency": 2.0, "method": "magnitude"}, "needs fisher"),
    "layers by magnitude": ({"layers": 1, "method": "magnitude"}, "must be numbers"),
    "no layer": ({"layers": 0}, "must be 1 or more"),
    "layers twice": ({"layers": [1, 1]}, "in rising order"),
    "everything": ({"ffn": 1.0}, "less than 1"),
    "no speed-up": ({"latency": 1.0}, "greater than 1"),
}


@pytest.mark.parametrize(("values", "sentence"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_settings_that_make_no_sense_are_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        PruneSettings(**values)


@pytest.fixture
def planned(made_project: Path, teacher: Path, tmp_path: Path) -> Callable[[str], Plan]:
    project = Path(shutil.copytree(made_project, tmp_path / "planned"))
    text = (project / "recipe.yaml").read_text(encoding="utf-8")
    text = text.replace("./encoder", str(teacher))

    def make(step: str) -> Plan:
        path = project / "recipe.yaml"
        path.write_text(
            "".join(
                f"  - prune: {step}\n" if "finetune" in line else line
                for line in text.splitlines(keepends=True)
            ),
            encoding="utf-8",
        )
        return plan.make(recipe.read(path))

    return make


BAD: dict[str, tuple[str, str]] = {
    "too many heads": (
        "{heads: 0.9}",
        "cannot remove 0.9 of heads, since every layer keeps a head; at most heads: 0.75 can be",
    ),
    "too much of the ffn": (
        "{ffn: 0.8}",
        "cannot remove 0.8 of ffn, since every layer keeps 32 neurons; at most ffn: 0.75 can be",
    ),
    "a layer that is not there": ("{layers: [0, 5]}", "keep layer 5, and the model has the layers"),
}


@pytest.mark.parametrize(("step", "sentence"), BAD.values(), ids=BAD.keys())
def test_a_target_that_cannot_be_met_names_the_nearest(
    planned: Callable[[str], Plan], step: str, sentence: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        planned(step)
    assert sentence in str(caught.value)
    assert "recipe.yaml:" in str(caught.value)


@pytest.mark.parametrize(
    "step", ["{ffn: 0.5}", "{latency: 1.5}", "{layers: 1}", "{heads: 0.5, method: magnitude}"]
)
def test_a_plan_knows_its_cost(planned: Callable[[str], Plan], step: str) -> None:
    (found,) = (step.cost for step in planned(step).steps if step.name == "prune")
    assert found.seconds > 0
    assert found.peak_bytes > 0
    assert found.disk_bytes > 0


def test_the_estimate_is_near_what_is_left(job: Job, planned: Callable[[str], Plan]) -> None:
    for settings in ({"heads": 0.5, "ffn": 0.5}, {"layers": 1}):
        out = dataclasses.replace(job, out=job.out / str(len(settings)))
        run_prune(PruneSettings(**settings), out)
        found = describe(out.out)
        expected = prune._estimate(PruneSettings(**settings), job.description)
        assert found.layers == expected.layers
        assert found.parameters == pytest.approx(expected.parameters, rel=0.03)


def test_a_recipe_that_prunes_leaves_an_artifact_that_answers(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("outputs:", "  - prune: {heads: 0.25, ffn: 0.5}\noutputs:"), encoding="utf-8"
    )
    built = build.compress(plan.make(recipe.read(path)))
    manifest = json.loads((built.artifacts[0].path / "manifest.json").read_text())
    step = manifest["steps"][1]
    assert step["step"] == "prune"
    assert sum(step["after"]["heads"]) == 6
    assert sum(step["after"]["ffn"]) == 128
    assert set(step["proof"]["agreement_by_language"]) == set(tiny.LANGUAGES)
    assert step["after"]["parameters"] < step["before"]["parameters"]
    assert built.artifacts[0].verdict == "PASS"

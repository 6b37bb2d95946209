"""A pruned decoder learns from what it was, and any decoder from rows and conversations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from edgekit.build import build, plan
from edgekit.checkpoint.describe import describe
from edgekit.data.rows import Row
from edgekit.errors import CheckpointError, EdgekitError, StepError
from edgekit.export.gguf import convert
from edgekit.job.job import Job, Make
from edgekit.job.plan import Plan
from edgekit.recipe import recipe
from edgekit.steps.distill.decoder import teacher
from edgekit.steps.distill.decoder.plan import DistillSettings
from edgekit.steps.distill.decoder.run import run as run_distill
from edgekit.steps.finetune.decoder.plan import FinetuneSettings
from edgekit.steps.finetune.decoder.run import run as run_finetune
from edgekit.steps.prune.decoder.plan import PruneSettings
from edgekit.steps.prune.decoder.run import run as run_prune
from edgekit.store.store import Finished, Store
from edgekit.training import decoder, windows
from edgekit.training import loop as training
from edgekit.training.lora import Lora
from edgekit.training.windows import Window
from tests.tiny import llama as tiny_llama
from tests.tiny.job import make_job

QUICK: dict[str, Any] = {"epochs": 2, "learning_rate": 4e-3, "tokens": 1000}
TABLE = "model.embed_tokens.weight"


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama.make_checkpoint(tmp_path_factory.mktemp("parent") / "model", layers=3)


@pytest.fixture(scope="module")
def pruned(made_chat_project: Path, parent: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pruned")
    settings = PruneSettings(layers=2, ffn=0.5, tokens=256)
    run_prune(settings, make_job(made_chat_project, parent, out))
    return out


@pytest.fixture
def job(made_chat_project: Path, parent: Path, pruned: Path, tmp_path: Path) -> Iterator[Job]:
    """The pruned checkpoint, with what it was for a teacher."""
    with Store(tmp_path / "store") as store:

        def run_stored(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
            return store.run(name, inputs, lambda out: make(out, lambda fraction: None))

        out = tmp_path / "out"
        out.mkdir()
        made = make_job(made_chat_project, parent, out, run_stored=run_stored)
        yield dataclasses.replace(made, checkpoint=pruned, description=describe(pruned))


@pytest.fixture(autouse=True)
def _short_judgement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "JUDGED_TOKENS", 1024)


def changed(job: Job, **changes: Any) -> Job:
    """The job with changes, and an empty folder of its own to write into."""
    out = job.out.parent / f"out-{len(list(job.out.parent.iterdir()))}"
    out.mkdir()
    return dataclasses.replace(job, **{"out": out, **changes})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def judging(job: Job) -> list[Window]:
    reader = windows.reader(job.checkpoint, model_type="llama", rows=job.description.vocabulary)
    return windows.choose(reader, job.dataset.validation, size=64, tokens=1000, seed=1)


def divergence(parent: Path, other: Path, texts: list[Window]) -> float:
    """KL(parent ‖ other) by transformers alone, over all pieces."""
    klds = []
    first, second = (
        AutoModelForCausalLM.from_pretrained(one, dtype=torch.float32).eval()
        for one in (parent, other)
    )
    with torch.inference_mode():
        for one in texts:
            ids = torch.tensor([one.ids])
            p, q = (model(input_ids=ids).logits[0].log_softmax(-1) for model in (first, second))
            klds.append((p.exp() * (p - q)).sum(-1))
    return float(torch.cat(klds).mean())


@pytest.mark.parametrize(
    "settings",
    [{}, {"lora": Lora(rank=4), "learning_rate": 1e-2}, {"freeze_embeddings": False}],
)
def test_a_pruned_model_comes_nearer_to_what_it_was(
    job: Job, parent: Path, pruned: Path, settings: dict[str, Any]
) -> None:
    record = run_distill(DistillSettings(**{**QUICK, "tokens": 1500, **settings}), job)
    texts = judging(job)
    before, after = (divergence(parent, one, texts) for one in (pruned, job.out))
    assert after < 0.95 * before
    said = record["proof"]["kld"]
    # The likeliest pieces and the rest as one: never more than all pieces apart.
    assert said["after"] < said["before"] < before
    assert record["after"]["best_epoch"] == 2
    assert describe(job.out).layers == 2
    assert (job.out / "chat_template.jinja").is_file()
    same = torch.equal(weights(job.out)[TABLE], weights(pruned)[TABLE])
    assert same == settings.get("freeze_embeddings", True)


def test_the_teacher_is_asked_once_and_rightly(job: Job, parent: Path) -> None:
    texts = judging(job)
    found = teacher.ask(job, texts, temperature=2.0)
    model = AutoModelForCausalLM.from_pretrained(parent, dtype=torch.float32).eval()
    for number in (0, len(texts) - 1):
        ids, logp = found.of([number])
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([texts[number].ids])).logits[0, :-1]
        wanted = (logits / 2).log_softmax(-1).topk(teacher.KEPT)
        assert torch.equal(ids, wanted.indices)
        assert torch.allclose(logp.float(), wanted.values, atol=5e-3)
    assert found.ids.dtype == np.uint16
    gone = dataclasses.replace(job, teacher=Path("gone"))
    again = teacher.ask(gone, texts, temperature=2.0)
    assert np.array_equal(again.logp, found.logp)
    with pytest.raises(CheckpointError, match="gone is no folder"):
        teacher.ask(gone, texts, temperature=1.0)


class PowerCut(Exception):
    pass


def test_a_teacher_that_was_cut_off_goes_on(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", -1.0)
    monkeypatch.setattr(decoder, "WINDOW", 32)
    texts = judging(job)
    wanted = teacher.ask(job, texts, temperature=1.0)
    told: list[float] = []

    def cut(fraction: float) -> None:
        told.append(fraction)
        if len(told) == 3:
            raise PowerCut

    with Store(tmp_path / "other") as store:

        def run_stored(name: str, inputs: Mapping[str, Any], make: Make) -> Finished:
            return store.run(name, inputs, lambda out: make(out, cut))

        again = dataclasses.replace(job, run_stored=run_stored)
        with pytest.raises(PowerCut):
            teacher.ask(again, texts, temperature=1.0)
        found = teacher.ask(again, texts, temperature=1.0)
    # It went on where it was saved, and did not begin anew.
    assert told[3] >= told[2] > told[0]
    assert np.array_equal(found.ids, wanted.ids)
    assert np.array_equal(found.logp, wanted.logp)


@pytest.mark.parametrize("settings", [{}, {"lora": Lora(rank=2, dropout=0.1)}])
def test_a_healing_that_was_cut_ends_with_the_same_weights(
    job: Job, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", -1.0)
    given = DistillSettings(**{**QUICK, "tokens": 600}, **settings)
    run_distill(given, job)
    updates = 0

    def cut(fraction: float) -> None:
        nonlocal updates
        updates += 1
        if updates == 4:
            raise PowerCut

    again = changed(job, on_progress=cut)
    with pytest.raises(PowerCut):
        run_distill(given, again)
    run_distill(given, again)
    wanted, found = weights(job.out), weights(again.out)
    assert wanted.keys() == found.keys()
    for name, weight in wanted.items():
        assert torch.equal(weight, found[name]), name


def test_weights_that_get_no_better_stay(job: Job, pruned: Path) -> None:
    record = run_distill(DistillSettings(epochs=1, learning_rate=0.5, tokens=600), job)
    assert "the weights stay as they were" in record["notes"][0]
    assert record["proof"]["kld"]["after"] == record["proof"]["kld"]["before"]
    assert record["after"]["best_epoch"] == 0
    before, after = weights(pruned), weights(job.out)
    assert all(torch.equal(weight, before[name]) for name, weight in after.items())


def test_the_time_limit_leaves_a_checkpoint(job: Job) -> None:
    done = run_distill(DistillSettings(**QUICK, max_minutes=1e-6), job)
    assert done["training"]["stopped"].startswith("time limit")
    assert done["training"]["iterations"] == 1
    assert describe(job.out).layers == 2


def test_only_what_the_assistant_says_is_finetuned_on(job: Job) -> None:
    own = dataclasses.replace(job, checkpoint=job.teacher, description=describe(job.teacher))
    record = run_finetune(FinetuneSettings(**QUICK), own)
    texts = [
        one
        for one in windows.choose(
            windows.reader(job.teacher, model_type="llama", rows=1003),
            job.dataset.validation, size=64, tokens=1024, seed=7, answers=True,
        )
        if any(one.answers[1:])
    ]  # fmt: skip
    for folder, when in ((job.teacher, "before"), (job.out, "after")):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        lost: list[torch.Tensor] = []
        with torch.inference_mode():
            for one in texts:
                ids = torch.tensor(one.ids)
                logp = model(input_ids=ids[None]).logits[0, :-1].log_softmax(-1)
                nll = -logp[torch.arange(len(ids) - 1), ids[1:]]
                lost.append(nll[torch.tensor(one.answers[1:])])
        assert record["proof"]["nll"][when] == pytest.approx(
            float(torch.cat(lost).mean()), rel=1e-3
        )
    assert record["proof"]["nll"]["after"] < record["proof"]["nll"]["before"]


def test_conversations_without_answers_cannot_be_finetuned_on(job: Job) -> None:
    asked = Row("What?", messages=({"role": "user", "content": "What is it?"},))
    own = dataclasses.replace(job, dataset=dataclasses.replace(job.dataset, train=(asked,)))
    with pytest.raises(StepError, match=r"no conversation of data\.train has a turn of the assis"):
        run_finetune(FinetuneSettings(**QUICK), own)


BAD: dict[str, tuple[str, str]] = {
    "nothing to heal": ("[distill: {}]", "nothing was taken; put prune before it"),
    "another vocabulary": (
        "[trim_vocab: {size: 900}, distill: {}]",
        "put trim_vocab behind it",
    ),
    "a classifier's layers": ("[prune: {layers: 1}, distill: {layers: 1}]", "the step prune befor"),
    "a static student": (
        "[prune: {layers: 1}, distill: {student: static}]",
        "'student' is for classifiers",
    ),
    "temperature": ("[prune: {layers: 1}, distill: {temperature: 0}]", "'temperature' cannot be 0"),
}


@pytest.mark.parametrize(("steps", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_taught_is_refused_before_a_weight_loads(
    chat_project: Path, steps: str, sentence: str
) -> None:
    with pytest.raises(EdgekitError) as caught:
        make_plan(chat_project, f"steps={steps}")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("data.train=null", "add data.train or data.unlabeled"),
        ("data.validation=null", "needs data.validation, which decides when to stop"),
    ],
)
def test_data_that_is_missing_is_named(chat_project: Path, change: str, sentence: str) -> None:
    steps = "finetune: {}" if "validation" in change else "prune: {layers: [0]}, distill: {}"
    with pytest.raises(EdgekitError) as caught:
        make_plan(chat_project, f"steps=[{steps}]", change)
    assert sentence in str(caught.value) or "prune measures on texts" in str(caught.value)


def test_a_plan_knows_what_healing_costs(chat_project: Path) -> None:
    def cost(settings: str) -> Any:
        made = make_plan(chat_project, f"steps=[prune: {{layers: 1}}, distill: {settings}]")
        return next(step for step in made.steps if step.name == "distill").cost

    whole, adapter = cost("{epochs: 4}"), cost("{epochs: 4, lora: {rank: 1}}")
    assert whole.seconds > cost("{epochs: 1}").seconds > 0
    assert adapter.disk_bytes < whole.disk_bytes
    assert cost("{freeze_embeddings: false}").peak_bytes > cost("{}").peak_bytes


def make_plan(project: Path, *changes: str) -> Plan:
    return plan.make(recipe.read(project / "recipe.yaml", changes=changes))


@pytest.mark.slow
def test_a_recipe_that_prunes_and_heals_leaves_an_artifact(chat_project: Path) -> None:
    """Through the plan, the store, the export's own proof and the judgement against the parent."""
    steps = "[{prune: {layers: 1, tokens: 256}}, {distill: {epochs: 1, tokens: 600}}]"
    loose = ("kld=9.0", "top1=0.0", "ppl_ratio=99.0", "worst_language_kld=9.0")
    made = make_plan(chat_project, f"steps={steps}", *(f"must.{one}" for one in loose))
    names = ["checkpoint", "prune", "distill", "teacher", "gguf"]
    assert [step.name for step in made.steps] == names
    manifest = build.compress(made).artifacts[0].manifest
    prune, distill, *_ = manifest["steps"]
    assert (prune["before"]["layers"], prune["after"]["layers"]) == (2, 1)
    assert prune["proof"]["tokens"] > 256
    assert distill["proof"]["kld"]["after"] <= distill["proof"]["kld"]["before"]
    assert manifest["quality"]["kld"] > 0.01
    whole = convert.convert(chat_project / "model", chat_project / "whole.gguf")
    spec = manifest["model"]["chat"]
    assert 2 * spec["kv_bytes_per_token"] == whole["kv_bytes_per_token"]
